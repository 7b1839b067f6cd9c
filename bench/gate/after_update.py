"""A session that is asked about the same arrays before and after an update.

The second answers must be those of the new weights, and the first ones must stay as they were read.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bench.gate.allowance import Allowance
from bench.gate.answers import compare_answers
from bench.gate.difference import Difference
from bench.gate.observe import Scope, observe_untrained
from bench.gate.reference import ModelOnBatch
from bench.gate.rounding import FLOAT64_TOLERANCE
from bench.probes.context import ProbeContext
from bench.spec import Array, Session

AGAIN = " asked again"
KEPT_RESULTS = "results kept from earlier calls"


def asked_again(
    context: ProbeContext,
    session: Session,
    subject: ModelOnBatch,
    scope: Scope,
    allowances: Mapping[str, Allowance],
) -> list[Difference]:
    """How far all results are from the reference's after one more update; and whether those from
    before the update are still the same. Without training the arrays are the same, too."""
    x, y = session.put(subject.x), session.put(subject.y)
    before = observe_untrained(session, x, y, scope)
    copies = {name: np.array(value) for name, value in before.items()}
    if scope.training:
        session.step(x, y)
        session.wait()
    elif subject.second:
        session.predict(session.put(subject.second[0]))
        session.hidden_states(session.put(subject.second[0]))
    answers = observe_untrained(session, x, y, scope)
    kept = all(np.array_equal(before[name], copies[name], equal_nan=True) for name in copies)

    def ask(reference: Session, x: Array) -> Mapping[str, Array]:
        return observe_untrained(reference, reference.put(x), reference.put(subject.y), scope)

    here = replace(subject, weights=session.params())
    return [
        *compare_answers(context, here, answers, ask, allowances, AGAIN),
        Difference(KEPT_RESULTS, 0.0 if kept else math.inf, FLOAT64_TOLERANCE),
    ]
