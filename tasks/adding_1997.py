"""The adding problem in its first form: .5 + (X₁ + X₂)/4 for the two marked numbers of a long
sequence (Hochreiter & Schmidhuber 1997, experiment 4). Numbers are uniform on [−1, 1]; a marked
first pair counts as 0."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.spec import Array
from tasks._marked_pairs import TOLERANCE, MarkedPairs
from tasks._symbols import no_error_threshold

REQUIRES: tuple[str, ...] = ()
SUM_RANGE = 4 * TOLERANCE
"""The answer .5 is right where |X₁ + X₂| is below this."""


@dataclass(frozen=True, kw_only=True)
class Adding1997(MarkedPairs):
    """Sequences of `length` to 1.1 `length` pairs, evaluated on `held_out` of them.

    A sequence is right if the answer at its end is off by less than .04. The task is solved when
    none of the `held_out` sequences is wrong. The paper asks for 2000 right sequences in a row
    during training; here they are fresh and the weights do not change. The paper's second
    condition, an average training error below .01, then holds as well.
    """

    LOW = -1.0
    ON_FIRST = 0.0
    RIGHT_BY_CHANCE = (1 - (1 - SUM_RANGE / 2) ** 2, SUM_RANGE)
    """The best constant is .5: P(|X₁ + X₂| < .16) = 15.4%, and P(|X| < .16)."""

    @property
    def threshold(self) -> float:
        return no_error_threshold(self.held_out)

    def answer(self, numbers: Array) -> Array:
        return np.asarray(0.5 + numbers.sum(axis=1) / 4)


PROFILES: Mapping[str, Adding1997] = {
    "smoke": Adding1997(length=20, batch=16, hidden=8, steps=20, held_out=100),
    "standard": Adding1997(length=30, steps=6_000),
    "paper": Adding1997(length=100, steps=15_000),
}
