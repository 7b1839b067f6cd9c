"""A session that does nothing but update, and more often than the gate compares weights.

A comparison may time updates alone. A session that prepares its training in another method, or goes
wrong after some updates, shows in the losses: each but the first depends on all updates before it.
"""

from collections.abc import Mapping

from bench.gate.allowance import Allowance
from bench.gate.difference import Difference, difference
from bench.gate.drift import gradient_distances, loss_drift, weight_drift
from bench.gate.observe import LOSSES, Update, train
from bench.gate.reference import ModelOnBatch, rounded_subject
from bench.gate.rounding import FACTOR, device_factor
from bench.gate.unequal import unequal_batch
from bench.probes.context import ProbeContext
from bench.spec import Array, Params

UPDATES = 18
STEP_FIRST = f"losses of {UPDATES} steps in a session of their own"


def with_step_first(
    context: ProbeContext, subject: ModelOnBatch, allowances: Mapping[str, Allowance]
) -> Difference:
    """How far the losses of a new session are from the reference's. The batches of the subject take
    turns with one of unequal lengths, if the backend takes lengths."""
    session = context.open(subject.model, subject.weights, subject.training)
    losses, _ = train(session, _updates(context, subject), UPDATES)
    exact, trajectory = _by_reference(context, subject.in_dtype("float64"))
    dtype = subject.model.dtype
    rounded = trajectory
    if dtype != "float64":
        _, rounded = _by_reference(context, rounded_subject(subject))
    first = {name: allowances[f"d {name}"].relative for name in subject.weights}
    factor = FACTOR * device_factor(dtype, context.case.device)
    distances = gradient_distances(first, trajectory, rounded, factor)
    drift = loss_drift(trajectory, weight_drift(trajectory, distances, subject.training))
    return difference(STEP_FIRST, losses, exact, allowances[LOSSES].relative, drift)


def _by_reference(context: ProbeContext, subject: ModelOnBatch) -> tuple[Array, list[Params]]:
    """The reference's losses, and the gradients before each update."""
    session = context.open_reference(subject.model, subject.weights, subject.training)
    return train(session, _updates(context, subject), UPDATES, trajectory=True)


def _updates(context: ProbeContext, subject: ModelOnBatch) -> list[Update]:
    updates: list[Update] = [(subject.x, subject.y), *([subject.second] if subject.second else [])]
    batch = unequal_batch(subject.model, context.supports, subject.x)
    if batch.lengths is not None:
        updates.append((batch.x, subject.y, batch.lengths))
    return updates
