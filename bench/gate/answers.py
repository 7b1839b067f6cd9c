"""What a session answers at the weights that it has now, against the reference at those weights.

No drift of the weights has to be allowed for, and the reference takes no step.
"""

from collections.abc import Callable, Mapping

from bench.gate.allowance import Allowance
from bench.gate.difference import Difference, difference
from bench.gate.reference import ModelOnBatch, rounded_subject
from bench.gate.rounding import device_factor, rounding_tolerance
from bench.probes.context import ProbeContext
from bench.spec import Array, Session

TWO_RUNS = 2
"""A tolerance that rests on one run of the reference, or on other weights, is so many times as
large."""

Ask = Callable[[Session, Array], Mapping[str, Array]]
"""Asks a session for arrays on inputs x."""


def compare_answers(
    context: ProbeContext,
    subject: ModelOnBatch,
    answers: Mapping[str, Array],
    ask: Ask,
    allowances: Mapping[str, Allowance],
    ending: str,
) -> list[Difference]:
    """How far the `answers` are from what the reference answers with the weights of the subject.

    Each may be as far off as an array of its name was allowed to be at the initial weights, or as
    the reference in the dtype requires here. `ending` ends the names of the differences.
    """
    exact = _asked_in(context, subject.in_dtype("float64"), ask)
    factor = TWO_RUNS * device_factor(subject.model.dtype, context.case.device)
    rounded = _rounded(context, subject, ask)
    return [
        difference(
            f"{name}{ending}",
            answers.get(name),
            array,
            max(
                TWO_RUNS * allowances[name].relative,
                factor * rounding_tolerance(subject.model.dtype, [rounded[name]], array)
                if rounded
                else 0.0,
            ),
        )
        for name, array in exact.items()
    ]


def _asked_in(context: ProbeContext, subject: ModelOnBatch, ask: Ask) -> Mapping[str, Array]:
    session = context.open_reference(subject.model, subject.weights, subject.training)
    return ask(session, subject.x)


def _rounded(context: ProbeContext, subject: ModelOnBatch, ask: Ask) -> Mapping[str, Array]:
    """The answers of the reference in float32 on what is rounded to the dtype; none for float64."""
    if subject.model.dtype == "float64":
        return {}
    return _asked_in(context, rounded_subject(subject), ask)
