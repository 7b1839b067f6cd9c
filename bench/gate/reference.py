"""The reference's runs on one model and batch, from which the gate derives its allowances."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.gate.allowance import ReferenceRuns
from bench.gate.observe import Observation, Scope, observe, observe_untrained
from bench.gate.rounding import rounded_inputs, to_bfloat16
from bench.gate.summation import gradients_in_order
from bench.probes.context import Batch, ProbeContext
from bench.spec import Array, ModelSpec, Params, Training


@dataclass(frozen=True)
class ModelOnBatch:
    """A model with its training settings, its weights and a batch: what the gate compares on.
    Where there is a `second` batch, every second update is made on it."""

    model: ModelSpec
    training: Training
    weights: Params
    x: Array
    y: Array
    second: Batch | None = None

    @property
    def terms(self) -> int:
        """Steps of all sequences together: a gradient adds up that many terms."""
        batch, time, _ = self.x.shape
        return int(batch * time)

    def in_dtype(self, dtype: str) -> "ModelOnBatch":
        """The same model, weights and batch in another dtype."""
        return replace(self, model=replace(self.model, dtype=dtype))


def run_reference(context: ProbeContext, subject: ModelOnBatch, scope: Scope) -> ReferenceRuns:
    """The reference in float64, in the model's dtype, and with its sums in order."""
    exact = _observe_reference(context, subject.in_dtype("float64"), scope)
    if subject.model.dtype == "float64":
        return ReferenceRuns(exact)
    rounded = tuple(_rounded_runs(context, subject, scope))
    if not scope.training or subject.model.dtype != "float32":
        return ReferenceRuns(exact, rounded)
    return ReferenceRuns(exact, rounded, _gradients_in_order(context, subject))


def _observe_reference(context: ProbeContext, subject: ModelOnBatch, scope: Scope) -> Observation:
    session = context.open_reference(subject.model, subject.weights, subject.training)
    second = subject.second
    return observe(session, subject.x, subject.y, scope, second=second, trajectory=True)


def _rounded_runs(
    context: ProbeContext, subject: ModelOnBatch, scope: Scope
) -> Iterator[Observation]:
    """The reference in float32 on inputs rounded to the model's dtype: the first run with
    everything, the others at the initial weights only."""
    for run, rounded in enumerate(_rounded_subjects(subject)):
        if run == 0:
            yield _observe_reference(context, rounded, scope)
        else:
            session = context.open_reference(rounded.model, rounded.weights, rounded.training)
            x, y = session.put(rounded.x), session.put(rounded.y)
            yield Observation(observe_untrained(session, x, y, scope))


def rounded_subject(subject: ModelOnBatch) -> ModelOnBatch:
    """The subject in float32 on weights and inputs rounded to its dtype, which is not float64."""
    return next(_rounded_subjects(subject))


def _rounded_subjects(subject: ModelOnBatch) -> Iterator[ModelOnBatch]:
    dtype, narrow = subject.model.dtype, subject.in_dtype("float32")
    second = _rounded(subject.second, dtype)
    for weights, x in rounded_inputs(dtype, subject.weights, subject.x):
        yield replace(narrow, weights=weights, x=x, second=second)


def _rounded(batch: Batch | None, dtype: str) -> Batch | None:
    return (to_bfloat16(batch[0]), batch[1]) if batch and dtype == "bfloat16" else batch


def _gradients_in_order(context: ProbeContext, subject: ModelOnBatch) -> Params:
    """The gradients of weights, added up in the order that loses most."""
    session = context.open_reference(subject.model, subject.weights)
    terms = session.gradient_terms(session.put(subject.x), session.put(subject.y))
    return gradients_in_order(terms, subject.weights)
