"""The copy memory task: repeat ten symbols after a long silence.

The input is ten symbols of 1–8, `lag` − 1 blanks (0), a delimiter (9) and ten more blanks, one-hot
in ten channels. The target is blank until the last ten steps, which repeat the symbols in order
(Arjovsky, Shah & Bengio 2016, arXiv 1511.06464, after Hochreiter & Schmidhuber 1997). Bai, Kolter &
Koltun 2018, arXiv 1803.01271, show the delimiter until the end. A sequence has `lag` + 20 steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._settings import check_settings
from tasks._symbols import negative_log_likelihood, one_hot

REQUIRES: tuple[str, ...] = ()
RECALLED = 10
SYMBOLS = 8
BLANK = 0
DELIMITER = 9


@dataclass(frozen=True, kw_only=True)
class Memory:
    """`lag` steps from the last symbol to the delimiter; evaluated on `held_out` sequences."""

    lag: int
    batch: int = 50
    hidden: int = 128
    steps: int = 8000
    learning_rate: float = 3e-3
    clip_norm: float | None = 1.0
    held_out: int = 1000

    inputs = SYMBOLS + 2
    outputs = SYMBOLS + 1
    readout = "every"
    loss = "cross_entropy"
    metric = "cross_entropy"
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_settings(self, lag=1, held_out=1)

    @property
    def time(self) -> int:
        return self.lag + 2 * RECALLED

    @property
    def chance(self) -> float:
        """The cross-entropy of certain blanks and ten guessed symbols: 10 ln 8 / time."""
        return RECALLED * log(SYMBOLS) / self.time

    @property
    def threshold(self) -> float:
        """A tenth of chance at every lag: nine tenths of the information are recalled."""
        return self.chance / 10

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, 10)` and classes `(batch, time)`."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(held_out, time, 10)` and classes `(held_out, time)`."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, time, 9)`: `cross_entropy` is the mean over all steps in nats,
        `recall_error` the share of wrong symbols among the last ten (.875 when guessing)."""
        wrong = predictions[:, -RECALLED:].argmax(axis=-1) != y[:, -RECALLED:]
        return {
            "cross_entropy": float(negative_log_likelihood(predictions, y).mean()),
            "recall_error": float(wrong.mean()),
        }

    def longer(self, times: int) -> "Memory":
        """The task with sequences `times` as long: the silence grows, the ten symbols stay."""
        return replace(self, lag=times * self.time - 2 * RECALLED)

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        symbols = rng.integers(1, SYMBOLS + 1, size=(count, RECALLED))
        sequence = np.full((count, self.time), BLANK)
        sequence[:, :RECALLED] = symbols
        sequence[:, -RECALLED - 1] = DELIMITER
        target = np.full_like(sequence, BLANK)
        target[:, -RECALLED:] = symbols
        return one_hot(sequence, self.inputs), target


PROFILES: Mapping[str, Memory] = {
    "smoke": Memory(lag=2, batch=16, hidden=8, steps=20, learning_rate=1e-2, held_out=50),
    "standard": Memory(lag=10, hidden=128, steps=2000, learning_rate=1e-2),
    "paper": Memory(lag=20, hidden=128, steps=8000, learning_rate=3e-3),
}
