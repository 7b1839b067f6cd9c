"""The multiplication problem: the product of the two marked numbers of a long sequence
(Hochreiter & Schmidhuber 1997, experiment 5). Numbers are uniform on [0, 1]; a marked first pair
counts as 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np

from bench.spec import Array
from tasks._marked_pairs import TOLERANCE, MarkedPairs

REQUIRES: tuple[str, ...] = ()
PRODUCT_RANGE = 2 * TOLERANCE
"""The answer .04 is right where X₁X₂ is below this."""


@dataclass(frozen=True, kw_only=True)
class Multiplication(MarkedPairs):
    """Sequences of `length` to 1.1 `length` pairs, evaluated on `held_out` of them.

    A sequence is right if the answer at its end is off by less than .04. The task is solved when
    fewer than 140 of 2000 held-out sequences are wrong. The paper's n_seq = 140 counts among the
    last 2000 training sequences instead.
    """

    LOW = 0.0
    ON_FIRST = 1.0
    RIGHT_BY_CHANCE = (PRODUCT_RANGE - PRODUCT_RANGE * log(PRODUCT_RANGE), PRODUCT_RANGE)
    """The best constant is .04: P(X₁X₂ < .08), and P(X < .08)."""
    threshold = 140 / 2000

    def answer(self, numbers: Array) -> Array:
        return np.asarray(numbers.prod(axis=1))


PROFILES: Mapping[str, Multiplication] = {
    "smoke": Multiplication(length=20, batch=16, hidden=8, steps=20, held_out=100),
    "standard": Multiplication(length=30, steps=6_000),
    "paper": Multiplication(length=100, steps=25_000),
}
