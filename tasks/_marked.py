"""Two marked numbers in a sequence of pairs, as Hochreiter & Schmidhuber 1997 draw them for their
experiments 4 and 5 (Neural Computation 9(8), sections 5.4 and 5.5).

One of the first ten pairs is marked by a one, then one of the first `length`/2 − 1 that are not
marked yet; the first and the last pair are marked by −1. Where a mark falls on the first pair, its
number counts as `ON_FIRST` and the −1 stays. The answer is asked for at the end of the sequence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._common import check

FIRST = 10
TOLERANCE = 0.04
"""A sequence is right when the answer at its end is nearer than this."""


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Sequences of `length` to 1.1 `length` pairs; `held_out` of them are evaluated on.

    A task of this family says from where to 1 its numbers are uniform, what the first one counts
    as, what is asked for, and how often the best constant is right of two numbers, and of one.
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
        check(self, length=2 * FIRST, held_out=1)

    @property
    def time(self) -> int:
        return self.length + self.length // 10

    @property
    def chance(self) -> float:
        two, one = self.RIGHT_BY_CHANCE
        on_first = 1 / FIRST + (1 - 1 / FIRST) / (self.length // 2 - 1)
        return 1 - on_first * one - (1 - on_first) * two

    def answer(self, numbers: Array) -> Array:
        """What is asked for, `(count,)`, of the marked numbers `(count, 2)`."""
        raise NotImplementedError

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, 2)`, zero beyond the end, and answers `(batch, time, 1)`, NaN, which
        asks for nothing, at all steps but the last of each sequence."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same of `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`wrong`, the share of sequences whose answer is .04 off or more, and `mse`, both at the
        ends of the sequences alone, of predictions `(n, time, 1)`."""
        asked = ~np.isnan(y)
        error = predictions.astype(np.float64)[asked] - y[asked]
        return {
            "wrong": float(np.mean(~(np.abs(error) < TOLERANCE))),
            "mse": float(np.mean(error**2)),
        }

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        values = rng.uniform(self.LOW, 1, (count, self.time))
        last = rng.integers(self.length, self.time + 1, size=count) - 1
        first = rng.integers(FIRST, size=count)
        second = rng.integers(self.length // 2 - 1, size=count)
        second += second >= first
        rows, chosen = np.arange(count), np.stack((first, second), axis=-1)
        numbers = np.where(chosen == 0, self.ON_FIRST, values[rows[:, None], chosen])
        marks = np.zeros_like(values)
        marks[rows[:, None], chosen] = 1
        marks[:, 0] = marks[rows, last] = -1
        y = np.full((count, self.time, 1), np.nan)
        y[rows, last, 0] = self.answer(numbers)
        inside = np.arange(self.time) <= last[:, None]
        return np.stack((values * inside, marks), axis=-1), y
