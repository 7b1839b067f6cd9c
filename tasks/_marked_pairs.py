"""Sequences of pairs in which two numbers are marked (Hochreiter & Schmidhuber 1997, Neural
Computation 9(8), sections 5.4 and 5.5: experiments 4 and 5).

A pair is a number and its mark. A mark of 1 is put on one of the first ten pairs, and on one of
the first `length`/2 − 1 pairs that are not marked yet. The first and the last pair are marked −1.
If a 1 falls on the first pair, the −1 stays and its number counts as `ON_FIRST`. The target is at
the last pair of the sequence.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._settings import check_settings

FIRST_PAIRS = 10
"""One mark of 1 stands on one of this many first pairs."""
TOLERANCE = 0.04
"""A sequence is right if the error of the answer at its end is below this."""


@dataclass(frozen=True, kw_only=True)
class MarkedPairs(ABC):
    """Sequences of `length` to 1.1 `length` pairs, evaluated on `held_out` of them.

    A subclass sets `LOW`, the numbers being uniform on [LOW, 1]; `ON_FIRST`; and
    `RIGHT_BY_CHANCE`: the probability that the best constant answer is right when two numbers
    count, and when `ON_FIRST` replaces one of them.
    """

    LOW: ClassVar[float]
    ON_FIRST: ClassVar[float]
    RIGHT_BY_CHANCE: ClassVar[tuple[float, float]]

    length: int
    batch: int = 20
    hidden: int = 16
    steps: int = 12_500
    learning_rate: float = 1e-2
    clip_norm: float | None = 1.0
    held_out: int = 2000

    inputs = 2
    outputs = 1
    readout = "every"
    loss = "mse"
    metric = "wrong"
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_settings(self, length=2 * FIRST_PAIRS, held_out=1)

    @property
    def time(self) -> int:
        return self.length + self.length // 10

    @property
    def chance(self) -> float:
        """The share of sequences that the best constant answer gets wrong."""
        two_numbers, one_number = self.RIGHT_BY_CHANCE
        on_first = 1 / FIRST_PAIRS + (1 - 1 / FIRST_PAIRS) / (self.length // 2 - 1)
        return 1 - on_first * one_number - (1 - on_first) * two_numbers

    @abstractmethod
    def answer(self, numbers: Array) -> Array:
        """The targets `(count,)` for marked numbers `(count, 2)`."""

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, 2)`, zero beyond the end, and targets `(batch, time, 1)`: the answer
        at the last step of each sequence, NaN (no target) at all other steps."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score predictions `(n, time, 1)` at the last step of each sequence.

        `wrong` is the share of sequences whose answer is off by .04 or more; `mse` the mean
        squared error.
        """
        labelled = ~np.isnan(y)
        error = predictions.astype(np.float64)[labelled] - y[labelled]
        return {
            "wrong": float(np.mean(~(np.abs(error) < TOLERANCE))),
            "mse": float(np.mean(error**2)),
        }

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        values = rng.uniform(self.LOW, 1, (count, self.time))
        last = rng.integers(self.length, self.time + 1, size=count) - 1
        marked = self._marked_steps(rng, count)
        sequences = np.arange(count)
        numbers = np.where(marked == 0, self.ON_FIRST, values[sequences[:, None], marked])
        marks = np.zeros_like(values)
        marks[sequences[:, None], marked] = 1
        marks[:, 0] = marks[sequences, last] = -1
        y = np.full((count, self.time, 1), np.nan)
        y[sequences, last, 0] = self.answer(numbers)
        mask = np.arange(self.time) <= last[:, None]
        return np.stack((values * mask, marks), axis=-1), y

    def _marked_steps(self, rng: np.random.Generator, count: int) -> Array:
        """The two steps marked 1 in each sequence, `(count, 2)`."""
        first = rng.integers(FIRST_PAIRS, size=count)
        second = rng.integers(self.length // 2 - 1, size=count)
        second += second >= first
        return np.stack((first, second), axis=-1)
