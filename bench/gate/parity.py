"""The parity probe: a backend computes what the reference computes, or it is not measured.

The probe compares the case's own model, batch and weights, and models of the same kind at odd
sizes, with the NumPy reference in float64: outputs, hidden states, loss, every parameter gradient,
dL/dx, dL/dh_t, and the losses and weights of five steps. A session that can be restarted takes
these steps once more. At odd sizes two batches take turns, and the probe also tries a session that
only updates, other batches, sequences of unequal length, given states, a NaN in x and a batch
without targets. For a backend that does not train it compares outputs and hidden states only. Where
a backend runs single steps, those of a running sequence are compared with the same sequence as a
whole.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.gate.after_update import asked_again
from bench.gate.allowance import Allowance, allow, decided_by_summation
from bench.gate.difference import Difference, is_real, relative_error
from bench.gate.edges import NAN_OUTPUT, NO_TARGET, at_edges
from bench.gate.judge import failure, judge, worst_first
from bench.gate.observe import Observation, Scope, advance_error, batches_of, observe
from bench.gate.reference import ModelOnBatch, run_reference
from bench.gate.reuse import TWO_RUNS, after_restart, on_other_batches
from bench.gate.rounding import FLOAT64_TOLERANCE
from bench.gate.step_first import with_step_first
from bench.gate.unequal import LENGTHS, STATE, on_unequal_batch
from bench.plan.probes import ADVANCE
from bench.probes.context import Batch, Outcome, ProbeContext
from bench.probes.training import norm
from bench.spec import Array, ModelSpec, Params, Session, Training
from bench.weights import initial_weights

IN_FLOAT64 = " in float64"
"""Ends the names of arrays that are compared in float64 besides the case's dtype."""
THROUGH_TIME = "d hidden states through time"
SIZE = " at batch "
"""Before the size at the end of the names of arrays at odd sizes."""
SMALLEST = 1e-290
"""float64 holds numbers below this one with fewer digits."""

ODD_SIZES = ((1, 1, 1, 1, 1), (4, 7, 3, 5, 2))
"""batch, time, inputs, hidden, outputs. Compilers go wrong at small odd sizes first."""
AT_ODD_SIZES = Training(learning_rate=0.05, clip_norm=0.1)
"""Long steps, so that gradients differ from one update to the next. Otherwise Adam, which divides
by the gradients' size, hides a wrong β₂ and missing clipping."""


class ModelDifferences(NamedTuple):
    """The difference of every array of one model on one batch, and the backend's observation."""

    differences: list[Difference]
    observation: Observation


def parity(context: ProbeContext) -> Outcome:
    """The differences of the case's own model and of odd sizes; a failure lists the worst."""
    model = context.case.model
    x, y = context.first_batch()
    weights = context.weights(model)
    comparison = compare(context, model, context.case.training, weights, x, y)
    through_time = compare_through_time(context, model, weights, x, y)
    odd = at_odd_sizes(context, model)
    differences = [*comparison.differences, *odd, *through_time]
    metrics = _counts(differences)
    metrics["gradients_compared"] = float(bool(context.supports.training))
    metrics |= _first_gradients(comparison.observation.arrays, weights)
    in_dtype = [d for d in comparison.differences if not d.array.endswith(IN_FLOAT64)]
    metrics |= {f"error.{d.array}": d.error for d in [*in_dtype, *through_time]}
    metrics |= _declared(odd)
    return Outcome(metrics, failure=failure(differences))


def _counts(differences: Sequence[Difference]) -> dict[str, float | None]:
    worst = worst_first(differences)[0]
    return {
        "parity_error": worst.error,
        "parity_tolerance": worst.tolerance,
        "arrays_compared": len(differences),
        "arrays_rejected": sum(not d.accepted for d in differences),
    }


def _declared(differences: Sequence[Difference]) -> dict[str, float | None]:
    """The largest error of what the gate compares only where the backend declares no limit: a
    comparison tells by these names that the head declares more limits than the base."""
    errors = {
        f"error.{ability}": [d.error for d in differences if ability in d.array.partition(SIZE)[0]]
        for ability in (NAN_OUTPUT, NO_TARGET, LENGTHS, STATE)
    }
    return {name: max(values) for name, values in errors.items() if values}


def _first_gradients(arrays: Mapping[str, Array], weights: Params) -> dict[str, float | None]:
    """The backend's loss and the norm of all its gradients before the first update; empty where
    they are no real numbers."""
    gradients = [arrays[f"d {name}"] for name in weights if f"d {name}" in arrays]
    if "loss" not in arrays or not all(map(is_real, [arrays["loss"], *gradients])):
        return {}
    return {"first_loss": float(arrays["loss"]), "first_gradient_norm": norm(*gradients)}


# ---- one model -------------------------------------------------------------------------------


def compare(
    context: ProbeContext,
    model: ModelSpec,
    training: Training,
    weights: Params,
    x: Array,
    y: Array,
    second: Batch | None = None,
) -> ModelDifferences:
    """Every array of one model on one batch against the reference in float64. With a `second`
    batch, which takes turns with the first in training, also what the backend does at the edges of
    its contract and on other batches.

    Where sums in order decide an allowance, float32 says little: the model is then compared in
    float64, too, if the backend has it.
    """
    subject = ModelOnBatch(model, training, weights, x, y, second)
    comparison, by_summation = _compare_in_dtype(context, subject)
    if not by_summation or "float64" not in context.supports.dtypes:
        return comparison
    wide, _ = _compare_in_dtype(context, subject.in_dtype("float64"))
    renamed = [dataclasses.replace(d, array=d.array + IN_FLOAT64) for d in wide.differences]
    return ModelDifferences(comparison.differences + renamed, comparison.observation)


def _compare_in_dtype(
    context: ProbeContext, subject: ModelOnBatch
) -> tuple[ModelDifferences, bool]:
    """The comparison in the model's dtype, and whether sums in order decide an allowance."""
    scope = Scope.from_supports(context.supports)
    runs = run_reference(context, subject, scope)
    case = context.case
    own = (subject.model, subject.training) == (case.model, case.training)
    open_session = context.open_kept if own else context.open  # training restarts the case's own
    session = open_session(subject.model, subject.weights, subject.training)
    x, y, second = subject.x, subject.y, subject.second
    backend = observe(session, x, y, scope, second=second)
    dtype, device = subject.model.dtype, case.device
    allowances = allow(runs, dtype, subject.training, subject.terms, device)
    differences = judge(backend, runs.exact, allowances)
    if not context.supports.advance_limit(subject.model) and hasattr(session, "advance"):
        tolerance = TWO_RUNS * allowances["output"].relative
        differences.append(Difference(ADVANCE, advance_error(session, x), tolerance))
    if second:
        differences += at_edges(session, subject.model, context.supports, x, y)
    if all(d.accepted for d in differences):
        differences += _used_again(context, session, subject, scope, runs.exact, allowances)
    return ModelDifferences(differences, backend), decided_by_summation(allowances)


def _used_again(
    context: ProbeContext,
    session: Session,
    subject: ModelOnBatch,
    scope: Scope,
    reference: Observation,
    allowances: Mapping[str, Allowance],
) -> list[Difference]:
    """What a session does in other uses, where its results were right so far."""
    x, y, second = subject.x, subject.y, subject.second
    differences = on_other_batches(session, x, y, scope, allowances) if second else []
    if second and len(x) > 1:
        differences += on_unequal_batch(context, session, subject, scope, allowances)
        differences += asked_again(context, session, subject, scope, allowances)
    if not scope.training:
        return differences
    if second and len(x) > 1:
        differences.append(with_step_first(context, subject, allowances))
    batches = batches_of(x, y, second)
    return differences + after_restart(session, subject.weights, batches, reference, allowances)


# ---- dL/dh_t of every step -------------------------------------------------------------------


def compare_through_time(
    context: ProbeContext, model: ModelSpec, weights: Params, x: Array, y: Array
) -> list[Difference]:
    """The worst dL/dh_t in float64, each step relative to its own size, however small.

    The gradient probe takes its norms in float64 whatever the case's dtype. Empty where the
    backend has no float64 or no hidden gradients.
    """
    if (
        "float64" not in context.supports.dtypes
        or not Scope.from_supports(context.supports).hidden_gradients
    ):
        return []
    wide = dataclasses.replace(model, dtype="float64")
    backend = context.open_kept(wide, weights).hidden_gradients(x, y)
    reference = context.open_reference(wide, weights).hidden_gradients(x, y)
    if backend.shape != reference.shape:
        return [Difference(THROUGH_TIME, math.inf, FLOAT64_TOLERANCE)]
    steps = [t for t in range(reference.shape[1]) if np.abs(reference[:, t]).max() > SMALLEST]
    errors = [relative_error(backend[:, t], reference[:, t]) for t in steps]
    worst = max(errors, default=0.0, key=lambda error: math.inf if math.isnan(error) else error)
    return [Difference(THROUGH_TIME, worst, FLOAT64_TOLERANCE)]


# ---- odd sizes -------------------------------------------------------------------------------


def at_odd_sizes(context: ProbeContext, model: ModelSpec) -> list[Difference]:
    """Every array of models of the same kind at `ODD_SIZES`, trained by Adam."""
    return [d for size in ODD_SIZES for d in _at_size(context, model, size)]


def _at_size(
    context: ProbeContext, case_model: ModelSpec, size: tuple[int, ...]
) -> list[Difference]:
    """Compared once a worker for each kind of model: it does not depend on the task."""
    batch, time, inputs, hidden, outputs = size
    classes = outputs + (case_model.loss == "cross_entropy")
    model = dataclasses.replace(case_model, inputs=inputs, hidden=hidden, outputs=classes)

    def differences() -> list[Difference]:
        rng = np.random.default_rng(0)
        x, y = _random_batch(model, batch, time, rng)
        weights = initial_weights(model, rng)
        second = _random_batch(model, batch, time, rng)
        comparison = compare(context, model, AT_ODD_SIZES, weights, x, y, second)
        return [
            dataclasses.replace(d, array=f"{d.array}{SIZE}{batch}, T {time}, hidden {hidden}")
            for d in comparison.differences
        ]

    return context.cached(f"odd sizes {model}", differences)


def _random_batch(
    model: ModelSpec, batch: int, time: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    x = rng.standard_normal((batch, time, model.inputs))
    positions = (batch,) if model.readout == "last" else (batch, model.decoder or time)
    if model.loss == "mse":
        return x, rng.standard_normal((*positions, model.outputs))
    y = rng.integers(0, model.outputs, positions)
    if y.size > 1:
        y.flat[1] = -1
    return x, y
