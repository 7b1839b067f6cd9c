"""What a session does at the edges of its contract: NaN in the input, and no target at all.

The calls have the shapes of calls that were compared before, so that nothing is compiled for them.
"""

import math
from typing import Any

import numpy as np

from bench.gate.difference import Difference
from bench.gate.rounding import FLOAT64_TOLERANCE
from bench.spec import Array, ModelSpec, Session, Supports

NAN_OUTPUT = "output where x is NaN"
NO_TARGET = "gradients without a target"


def at_edges(
    session: Session, model: ModelSpec, supports: Supports, x: Array, y: Array
) -> list[Difference]:
    """The error of each edge that the backend has: 0 where it is right, else infinite."""
    right = {}
    if supports.nan_propagation:
        right[NAN_OUTPUT] = _passes_nan_on(session, model, x)
    if supports.training and may_lack_targets(model):
        right[NO_TARGET] = _learns_nothing(session, session.put(x), without_targets(y))
    return [
        Difference(name, 0.0 if holds else math.inf, FLOAT64_TOLERANCE)
        for name, holds in right.items()
    ]


def may_lack_targets(model: ModelSpec) -> bool:
    """Whether the model's loss leaves out positions that have no target."""
    return model.loss == "cross_entropy" or model.readout == "every"


def without_targets(y: Array) -> Array:
    """Targets of the same shape, none of which counts."""
    return np.full_like(y, np.nan if y.dtype.kind == "f" else -1)


def _passes_nan_on(session: Session, model: ModelSpec, x: Array) -> bool:
    """Whether a NaN in the last step of a sequence reaches its last output, and no other sequence
    does."""
    x = np.array(x, dtype=float)
    x[0, -1, 0] = np.nan
    output = session.predict(session.put(x))
    last = output if model.readout == "last" else output[:, -1]
    return bool(np.isnan(last[0]).all() and np.isfinite(output[1:]).all())


def _learns_nothing(session: Session, x: Any, y: Array) -> bool:
    """Whether the loss and all its gradients are 0."""
    loss, gradients = session.gradients(x, session.put(y))
    return loss == 0 and not any(gradient.any() for gradient in gradients.values())
