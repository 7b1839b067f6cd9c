"""Fill the blank in a sequence of random symbols with one of its two neighbours.

The target at the blank is the next symbol, which only a network that reads backwards has seen
(`needs=future`), or, as a control, the symbol before it (`needs=past`). Symbols are independent,
so no other symbol helps (cf. Schuster & Paliwal 1997, who introduced bidirectional networks for
tasks that need the future).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array, check_choice
from tasks._settings import check_settings
from tasks._symbols import UNLABELLED, negative_log_likelihood, one_hot, share_misclassified

REQUIRES: tuple[str, ...] = ()
NEEDS = ("future", "past")


@dataclass(frozen=True, kw_only=True)
class FillBlank:
    """Sequences of `length` with `symbols` different symbols and one blank, evaluated on
    `held_out` of them.

    The blank is anywhere except at the two ends. `needs` is the neighbour that is the target:
    `future`, the symbol after the blank, or `past`, the symbol before it.
    """

    length: int = 20
    symbols: int = 8
    needs: str = "future"
    batch: int = 50
    hidden: int = 32
    steps: int = 1000
    learning_rate: float = 1e-2
    clip_norm: float | None = 1.0
    held_out: int = 1000

    readout = "every"
    loss = "cross_entropy"
    metric = "error"
    threshold = 0.01
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_choice("needs", self.needs, NEEDS)
        check_settings(self, length=3, symbols=2, held_out=1)

    @property
    def inputs(self) -> int:
        return self.symbols + 1

    @property
    def outputs(self) -> int:
        return self.symbols

    @property
    def time(self) -> int:
        return self.length

    @property
    def chance(self) -> float:
        """The error of always answering the same symbol. With `needs=future` no network that reads
        only forwards can do better."""
        return 1 - 1 / self.symbols

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, length, symbols + 1)`, one-hot, and classes `(batch, length)`: the missing
        symbol at the blank, −1 elsewhere."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, length, symbols)` at the blanks: `error` is the share whose most
        likely symbol is wrong, `cross_entropy` the mean in nats."""
        return {
            "error": share_misclassified(predictions, y),
            "cross_entropy": float(negative_log_likelihood(predictions, y).mean()),
        }

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        symbols = rng.integers(self.symbols, size=(count, self.length))
        blank = rng.integers(1, self.length - 1, size=count)
        neighbour = blank + (1 if self.needs == "future" else -1)
        sequences = np.arange(count)
        y = np.full_like(symbols, UNLABELLED)
        y[sequences, blank] = symbols[sequences, neighbour]
        symbols[sequences, blank] = self.symbols
        return one_hot(symbols, self.inputs), y


PROFILES: Mapping[str, FillBlank] = {
    "smoke": FillBlank(length=8, symbols=4, batch=16, hidden=8, steps=20, held_out=100),
    "standard": FillBlank(),
    "paper": FillBlank(length=50, steps=3000),
}
