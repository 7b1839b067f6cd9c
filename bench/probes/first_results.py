"""The first results of the timed session, on all its threads, against the reference in float64.

The gate compares another session, on one thread; and where updates alone are timed, `step` is the
first call that the timed session gets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bench.gate.difference import difference, relative_error
from bench.gate.drift import weight_drift
from bench.gate.rounding import TIMED_TOLERANCE, device_factor, least_tolerance
from bench.probes.context import Batch, ProbeContext, ReferenceSession
from bench.probes.training import norm
from bench.spec import Array, Params

FIRST_LOSS, FIRST_NORM = "first_loss", "first_gradient_norm"


@dataclass(frozen=True)
class FirstUpdate:
    """The loss that the first `step` returned, and the weights after it."""

    loss: float
    weights: Params


def loss_and_norm(loss: float, gradients: Mapping[str, Array]) -> dict[str, float | None]:
    """The loss, and the norm of the gradients of all parameters, that of x left out."""
    values = (value for name, value in gradients.items() if name != "x")
    return {FIRST_LOSS: loss, FIRST_NORM: norm(*values)}


def disagreement(
    context: ProbeContext,
    timed: Mapping[str, float | None],
    update: FirstUpdate | None,
    batch: Batch,
) -> str | None:
    """How the first results of the timed session differ from the reference's; None if they agree,
    or if there are none."""
    if FIRST_LOSS not in timed and update is None:
        return None
    wide = replace(context.case.model, dtype="float64")
    reference = context.open_reference(
        wide, context.weights(context.case.model), context.case.training
    )
    loss, gradients = reference.gradients(*batch)
    tolerance = TIMED_TOLERANCE[context.case.model.dtype]
    errors = {
        name: relative_error(np.asarray(timed[name]), np.asarray(value))
        for name, value in loss_and_norm(loss, gradients).items()
        if name in timed
    }
    for name, error in errors.items():
        if not error <= tolerance:
            return f"the timed session differs from the reference: {name} differs by {error:.2g}"
    return None if update is None else _wrong_update(context, update, reference, gradients, batch)


def _wrong_update(
    context: ProbeContext,
    update: FirstUpdate,
    reference: ReferenceSession,
    gradients: Params,
    batch: Batch,
) -> str | None:
    """How an update differs from the reference's from the same weights; None if it agrees.

    Weights may be as far off as the optimiser brings them where gradients are off by the tolerance.
    """
    model, training = context.case.model, context.case.training
    by_name = {name: value for name, value in gradients.items() if name != "x"}
    tolerance = TIMED_TOLERANCE[model.dtype]
    (drift,) = weight_drift([by_name], [dict.fromkeys(by_name, tolerance)], training)
    least = device_factor(model.dtype, context.case.device) * least_tolerance(model.storage)
    loss = np.asarray(float(reference.step(*batch)))
    differences = [difference("its loss", np.asarray(update.loss), loss, tolerance)]
    differences += [
        difference(name, update.weights.get(name), value, least, drift[name])
        for name, value in reference.params().items()
    ]
    rejected = [d for d in differences if not d.accepted]
    if not rejected:
        return None
    return f"the first update of the timed session differs from the reference: {rejected[0]}"
