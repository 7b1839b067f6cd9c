"""What a batch must be like: the same checks in front of every backend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.spec.cells import CELLS
from bench.spec.model import Array, ModelSpec

BATCH_KINDS = "fiub"
"""The kinds of NumPy dtypes that a session accepts: floating-point, whole numbers and booleans."""


@dataclass(frozen=True)
class ArrayFacts:
    """What can be said of an array without reading it from its device: `dtype` is None where it is
    unknown, `least` and `most` are the extremes of whole numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None = None
    least: int | None = None
    most: int | None = None

    @property
    def kind(self) -> str:
        """NumPy's letter for the kind of the dtype; empty where it is unknown."""
        return self.dtype.kind if self.dtype is not None else ""


def facts_of(array: Array) -> ArrayFacts:
    """The facts of a NumPy array. Raises ValueError for a dtype that is not made of numbers."""
    if array.dtype.kind not in BATCH_KINDS:
        raise ValueError(
            f"an array of the dtype {array.dtype} cannot be part of a batch: give floating-point "
            "numbers, or whole numbers for labels and lengths"
        )
    if array.dtype.kind == "f" or not array.size:
        return ArrayFacts(array.shape, array.dtype)
    return ArrayFacts(array.shape, array.dtype, int(array.min()), int(array.max()))


def check_batch(
    spec: ModelSpec,
    x: ArrayFacts,
    y: ArrayFacts | None = None,
    lengths: ArrayFacts | None = None,
    state: Sequence[ArrayFacts] | None = None,
) -> None:
    """Raise ValueError, which says what is wrong and what is accepted, for arrays that are no
    batch of this model. `state` has the arrays of an initial state."""
    check_input(spec, x)
    if y is not None:
        _check_targets(spec, y, *x.shape[:2])
    if lengths is not None:
        _check_lengths(lengths, *x.shape[:2])
    if state is not None:
        _check_state(spec, state, x.shape[0])


def check_input(spec: ModelSpec, x: ArrayFacts) -> None:
    """Raise ValueError unless x is `(batch, time, inputs)`, not empty, of floating-point
    numbers."""
    expected = f"(batch, time, {spec.inputs})"
    if len(x.shape) != 3 or x.shape[2] != spec.inputs:
        raise ValueError(f"x has the shape {x.shape}, but this model reads {expected}")
    if 0 in x.shape:
        empty = "no sequence" if x.shape[0] == 0 else "sequences without a step"
        raise ValueError(
            f"x has the shape {x.shape}: a batch with {empty}; give {expected} with at least one "
            "sequence of one step"
        )
    if x.kind not in ("f", ""):
        raise ValueError(
            f"x has the dtype {x.dtype}, but a model reads floating-point numbers: convert it, "
            "by x.astype('float32') for example"
        )


def _check_targets(spec: ModelSpec, y: ArrayFacts, batch: int, time: int) -> None:
    positions = (batch,) if spec.readout == "last" else (batch, spec.decoder or time)
    labelled = spec.loss == "cross_entropy"
    expected = positions if labelled else (*positions, spec.outputs)
    if y.shape != expected:
        raise ValueError(
            f"y has the shape {y.shape}; for this x and loss {spec.loss} it must have {expected}"
        )
    if labelled:
        _check_labels(spec, y)
    elif y.kind not in ("f", ""):
        raise ValueError(
            f"y has the dtype {y.dtype}, but the loss mse compares floating-point numbers: convert "
            "it, by y.astype('float32') for example"
        )


def _check_labels(spec: ModelSpec, y: ArrayFacts) -> None:
    accepted = f"labels are whole numbers from −1 (no label) to {spec.outputs - 1}"
    if y.kind == "f":
        raise ValueError(f"y has the dtype {y.dtype}, but {accepted}: convert it, or round it")
    if y.least is not None and y.most is not None and not -1 <= y.least <= y.most < spec.outputs:
        wrong = y.least if y.least < -1 else y.most
        raise ValueError(f"y has the label {wrong}, but {accepted}: check the model's outputs")


def _check_lengths(lengths: ArrayFacts, batch: int, time: int) -> None:
    accepted = f"lengths are whole numbers from 1 to {time}, the steps of x, one for each sequence"
    if lengths.shape != (batch,):
        raise ValueError(f"lengths has the shape {lengths.shape}, not {(batch,)}: {accepted}")
    if lengths.kind not in ("i", "u", ""):
        raise ValueError(f"lengths has the dtype {lengths.dtype}, but {accepted}: convert it")
    if lengths.least is None or lengths.most is None:
        return
    if lengths.least < 1:
        advice = "leave sequences without a step out of the batch"
        raise ValueError(f"lengths has {lengths.least}, but {accepted}: {advice}")
    if lengths.most > time:
        raise ValueError(
            f"lengths has {lengths.most}, but {accepted}: pad x to the longest sequence"
        )


def _check_state(spec: ModelSpec, state: Sequence[ArrayFacts], batch: int) -> None:
    names = CELLS[spec.cell].states
    expected = (spec.layers * spec.directions, batch, spec.hidden)
    if len(state) != len(names):
        raise ValueError(
            f"the state of the {spec.cell} is {' and '.join(names)}; arrays given: {len(state)}"
        )
    for name, array in zip(names, state, strict=True):
        if array.shape != expected:
            raise ValueError(
                f"the state {name} has the shape {array.shape}; for this x it must have {expected}"
            )
        if array.kind not in ("f", ""):
            raise ValueError(f"the state {name} has the dtype {array.dtype}, not floating point")
