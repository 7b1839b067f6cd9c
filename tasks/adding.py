"""The adding problem in its modern form: sum the two marked numbers of a long sequence.

Channel one of the input is uniform on [0, 1]; channel two is zero except for two ones. The target
is the sum of the two numbers that these ones mark (Hochreiter & Schmidhuber 1997, experiment 4, as
restated by Arjovsky, Shah & Bengio 2016, arXiv 1511.06464, with one mark in each half; Bai,
Kolter & Koltun 2018, arXiv 1803.01271, put both marks anywhere).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array, check_choice
from tasks._settings import check_settings

REQUIRES: tuple[str, ...] = ()
MARKS = ("halves", "anywhere")


@dataclass(frozen=True, kw_only=True)
class Adding:
    """Sequences of `length` steps, evaluated on `held_out` of them.

    `marks` is `halves`, one mark in each half, or `anywhere`, two distinct steps of the sequence.
    """

    length: int
    marks: str = "halves"
    batch: int = 50
    hidden: int = 64
    steps: int = 4000
    learning_rate: float = 2e-3
    clip_norm: float | None = 1.0
    held_out: int = 1000

    inputs = 2
    outputs = 1
    readout = "last"
    loss = "mse"
    metric = "mse"
    chance = 1 / 6
    """The error of always answering 1: the variance of the sum of two uniform numbers."""
    threshold = 0.01
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_settings(self, length=2, held_out=1)
        check_choice("marks", self.marks, MARKS)

    @property
    def time(self) -> int:
        return self.length

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, length, 2)` and the sums `(batch, 1)`."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(held_out, length, 2)` and the sums `(held_out, 1)`."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`mse`, the mean squared error of predictions `(n, 1)`."""
        return {"mse": float(np.mean((predictions - y) ** 2))}

    def longer(self, times: int) -> "Adding":
        """The task with sequences `times` as long."""
        return replace(self, length=times * self.length)

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        values = rng.random((count, self.length))
        sequences = np.arange(count)[:, None]
        marked = self._marked_steps(rng, count)
        marks = np.zeros_like(values)
        marks[sequences, marked] = 1
        sums = values[sequences, marked].sum(axis=1, keepdims=True)
        return np.stack((values, marks), axis=-1), sums

    def _marked_steps(self, rng: np.random.Generator, count: int) -> Array:
        """The two marked steps of each sequence, `(count, 2)`."""
        if self.marks == "halves":
            half = self.length // 2
            return rng.integers((0, half), (half, self.length), size=(count, 2))
        first = rng.integers(self.length, size=count)
        distance = rng.integers(1, self.length, size=count)
        return np.stack((first, (first + distance) % self.length), axis=-1)


PROFILES: Mapping[str, Adding] = {
    "smoke": Adding(length=10, batch=16, hidden=8, steps=20, learning_rate=1e-2, held_out=100),
    "standard": Adding(length=50, hidden=32, steps=1000, learning_rate=5e-3),
    "paper": Adding(length=100, hidden=64, steps=4000, learning_rate=2e-3),
    "short": Adding(length=10, batch=128, hidden=64, steps=200, learning_rate=3e-3),
}
"""`short` is for comparing two versions: its few updates teach every cell enough to reveal a
change."""
