"""Classify a sequence by the order of two or three symbols that stand far apart.

- `6a` (Hochreiter & Schmidhuber 1997, section 5.6): E, then random distractors a, b, c, d, with X
  or Y at two steps: one between .1 and .2 of the length, one between .5 and .6. Then B, where the
  target is the class XX, XY, YX or YY. Sequences have `length` to 1.1 `length` symbols.
- `6b`: X or Y at three steps, between .1 and .2, .33 and .43, .66 and .76: eight classes.
- `pascanu` (Pascanu, Mikolov & Bengio 2013, arXiv 1211.5063, appendix): as `6a`, without E and B;
  all sequences have `length` symbols, and the target is at the last one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array, check_choice
from tasks._settings import check_settings
from tasks._symbols import (
    UNLABELLED,
    no_error_threshold,
    one_hot,
    outside_tolerance,
    share_misclassified,
)

REQUIRES: tuple[str, ...] = ()
INTERVALS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "6a": ((0.1, 0.2), (0.5, 0.6)),
    "6b": ((0.1, 0.2), (0.33, 0.43), (0.66, 0.76)),
    "pascanu": ((0.1, 0.2), (0.5, 0.6)),
}
"""The intervals that hold an X or a Y, as shares of the length, by form."""
DISTRACTORS = 4
X, E, B = 4, 6, 7
TOLERANCE = 0.3


@dataclass(frozen=True, kw_only=True)
class TemporalOrder:
    """Sequences of `length`, in `6a` and `6b` up to a tenth longer, evaluated on `held_out`.

    In `6a` and `6b` a sequence is right if every softmax output is within .3 of its target. They
    are solved when none of the `held_out` sequences is wrong (the paper: 2000 right in a row, and
    an average error below .1). In `pascanu` a sequence is right if its class has the largest
    output. It is solved with less than 1% wrong (that paper: of 10,000).
    """

    form: str = "pascanu"
    length: int = 50
    batch: int = 50
    hidden: int = 50
    steps: int = 4000
    learning_rate: float = 1e-3
    clip_norm: float | None = 1.0
    held_out: int = 2000

    readout = "every"
    loss = "cross_entropy"
    metric = "wrong"
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_choice("form", self.form, INTERVALS)
        check_settings(self, length=10, held_out=1)

    @property
    def inputs(self) -> int:
        return 6 if self.form == "pascanu" else 8

    @property
    def outputs(self) -> int:
        return int(2 ** len(INTERVALS[self.form]))

    @property
    def time(self) -> int:
        return self.length if self.form == "pascanu" else self.length + self.length // 10

    @property
    def chance(self) -> float:
        """The share wrong when the answer is always the same class."""
        return 1 - 1 / self.outputs

    @property
    def threshold(self) -> float:
        return 0.01 if self.form == "pascanu" else no_error_threshold(self.held_out)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, symbols)`, one-hot and zero beyond the end, and targets
        `(batch, time)`: the class at the last step, −1 elsewhere."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for `held_out` sequences."""
        return self._draw(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, time, classes)`: `wrong` is the share of sequences that are not
        right, `error` the share whose most likely class is not the true one."""
        error = share_misclassified(predictions, y)
        outside = float(np.mean(outside_tolerance(predictions, y, TOLERANCE)))
        return {"wrong": error if self.form == "pascanu" else outside, "error": error}

    def longer(self, times: int) -> "TemporalOrder":
        """The task with sequences `times` as long."""
        return replace(self, length=times * self.length)

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        symbols = rng.integers(DISTRACTORS, size=(count, self.time))
        sequences, steps = np.arange(count), np.arange(self.time)
        last = np.full(count, self.time - 1)
        if self.form != "pascanu":
            last = rng.integers(self.length, self.time + 1, size=count) - 1
            symbols[:, 0] = E
            symbols[sequences, last] = B
            symbols[steps > last[:, None]] = UNLABELLED
        classes = np.zeros(count, dtype=np.int64)
        for start, end in INTERVALS[self.form]:
            x_or_y = rng.integers(2, size=count)
            step = rng.integers(round(start * self.length), round(end * self.length), size=count)
            symbols[sequences, step] = X + x_or_y
            classes = 2 * classes + x_or_y
        y = np.full((count, self.time), UNLABELLED)
        y[sequences, last] = classes
        return one_hot(symbols, self.inputs), y


PROFILES: Mapping[str, TemporalOrder] = {
    "smoke": TemporalOrder(length=10, batch=16, hidden=8, steps=20, held_out=100),
    "standard": TemporalOrder(),
    "paper": TemporalOrder(length=100, steps=8000, held_out=10_000),
    "6a": TemporalOrder(form="6a", length=100, batch=20, hidden=8, learning_rate=1e-2),
    "6b": TemporalOrder(form="6b", length=100, batch=20, hidden=16, steps=30_000),
}
