"""The adding problem in its first form: .5 + (X₁ + X₂)/4 of the two marked numbers of a long
sequence (Hochreiter & Schmidhuber 1997, experiment 4), numbers on [−1, 1]; a marked first pair
counts as 0."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.spec import Array
from tasks._common import one_wrong
from tasks._marked import TOLERANCE, Marked

REQUIRES: tuple[str, ...] = ()
WIDE = 4 * TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Adding1997(Marked):
    """Solved where not one of the `held_out` sequences is wrong: the paper's rule of 2000 in a row,
    on fresh sequences and weights that stand still. Its other half, an average training error
    below .01, follows."""

    LOW = -1.0
    ON_FIRST = 0.0
    RIGHT_BY_CHANCE = (1 - (1 - WIDE / 2) ** 2, WIDE)
    """Always answering .5: P(|X₁ + X₂| < .16), the 15.4% that are right by chance, and
    P(|X| < .16)."""

    @property
    def threshold(self) -> float:
        return one_wrong(self.held_out)

    def answer(self, numbers: Array) -> Array:
        return np.asarray(0.5 + numbers.sum(axis=1) / 4)


PROFILES: Mapping[str, Adding1997] = {
    "smoke": Adding1997(length=20, batch=16, hidden=8, steps=20, held_out=100),
    "standard": Adding1997(length=30, steps=6_000),
    "paper": Adding1997(length=100, steps=15_000),
}
