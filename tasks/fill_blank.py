"""Fill the blank in a sequence of symbols: what is asked for at the blank is the symbol right after
it, which only a network that reads backwards has seen, or, as the control, right before it.

All symbols are random, so that nothing else tells (cf. Schuster & Paliwal 1997, who introduced
bidirectional networks for what needs the future)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._common import UNLABELLED, check, one_hot, surprise

REQUIRES: tuple[str, ...] = ()
NEEDS = ("future", "past")


@dataclass(frozen=True, kw_only=True)
class FillBlank:
    """`symbols` different ones and the blank; sequences of `length`, the blank anywhere but at
    either end; `needs` says which neighbour is asked for."""

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
        if self.needs not in NEEDS:
            raise ValueError(f"needs must be one of {', '.join(NEEDS)}, not {self.needs!r}")
        check(self, length=3, symbols=2, held_out=1)

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
        """Always answering one symbol; of `future`, the best that reading forwards can do."""
        return 1 - 1 / self.symbols

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, length, symbols + 1)`, one-hot, and the missing symbol at the blank
        `(batch, length)`, −1 elsewhere."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same of `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`error`, the share of blanks whose likeliest symbol is the wrong one, and
        `cross_entropy`, nats, at the blanks alone, of logits `(n, length, symbols)`."""
        asked = y != UNLABELLED
        return {
            "error": float(np.mean(predictions[asked].argmax(axis=-1) != y[asked])),
            "cross_entropy": float(surprise(predictions, y).mean()),
        }

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        shown, rows = rng.integers(self.symbols, size=(count, self.length)), np.arange(count)
        blank = rng.integers(1, self.length - 1, size=count)
        y = np.full_like(shown, UNLABELLED)
        y[rows, blank] = shown[rows, blank + (1 if self.needs == "future" else -1)]
        shown[rows, blank] = self.symbols
        return one_hot(shown, self.inputs), y


PROFILES: Mapping[str, FillBlank] = {
    "smoke": FillBlank(length=8, symbols=4, batch=16, hidden=8, steps=20, held_out=100),
    "standard": FillBlank(),
    "paper": FillBlank(length=50, steps=3000),
}
