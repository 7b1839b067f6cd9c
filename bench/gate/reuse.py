"""What a session does when it is used again: restarted, given other batches, and read in between.

A training run restarts the session of another seed where the adapter can do so, hands over one
batch after the other, and keeps what it has read. The session is compared with itself and with what
the gate has compared before, so that the reference runs no more than it did.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.gate.allowance import Allowance
from bench.gate.difference import Difference, relative_error
from bench.gate.judge import judge, worst_first
from bench.gate.observe import Observation, Scope, observe_training
from bench.gate.rounding import FLOAT64_TOLERANCE
from bench.probes.context import Batch
from bench.spec import Array, Params, Session

RESTART = "five steps after restart"
RESTARTED_OUTPUT = "output after restart"
REORDERED = "the same sequences in another order"
KEPT_WEIGHTS = "weights read before an update"
TWO_RUNS = 2
"""Both sides of a comparison are the backend's: each may be as far off as the allowance says."""


def after_restart(
    session: Any,
    weights: Params,
    batches: Sequence[Batch],
    reference: Observation,
    allowances: Mapping[str, Allowance],
) -> list[Difference]:
    """How far the session, restarted with its first `weights`, is from the `reference` after five
    steps; and how far the outputs are that a restart with the trained weights brings back.

    The first shows what is left of the optimiser's state, the second a restart that ignores the
    weights it is given. Empty for a session that cannot be restarted.
    """
    if not hasattr(session, "restart"):
        return []
    x = session.put(batches[0][0])
    trained, output = _copies(session.params()), np.array(session.predict(x))
    session.restart(weights)
    again = observe_training(session, batches)
    expected = Observation({name: reference.arrays[name] for name in again.arrays})
    worst = worst_first(judge(again, expected, allowances))[0]
    session.restart(trained)
    error = relative_error(session.predict(x), output)
    return [
        Difference(RESTART, worst.error, worst.tolerance),
        Difference(RESTARTED_OUTPUT, error, TWO_RUNS * allowances["output"].relative),
    ]


def on_other_batches(
    session: Session, x: Array, y: Array, scope: Scope, allowances: Mapping[str, Allowance]
) -> list[Difference]:
    """How far the results for the same sequences in another order are from the same results; and
    whether weights that were read stay as they are. Makes an update.

    A method that computes on its first arguments again, or that overwrites what it returned,
    differs by as much as the sequences do. Empty for a single sequence.
    """
    differences = []
    if len(x) > 1:
        order = np.roll(np.arange(len(x)), 1)
        batches = [(session.put(x), session.put(y)), (session.put(x[order]), session.put(y[order]))]
        results, reordered = (_by_sequence(session, *batch, scope) for batch in batches)
        errors = [
            Difference(
                REORDERED,
                relative_error(reordered[name], np.asarray(array)[order]),
                TWO_RUNS * allowances[name].relative,
            )
            for name, array in results.items()
        ]
        differences.append(worst_first(errors)[0])
    if scope.training:
        error = 0.0 if _keeps_weights(session, x, y) else math.inf
        differences.append(Difference(KEPT_WEIGHTS, error, FLOAT64_TOLERANCE))
    return differences


def _by_sequence(session: Session, x: Any, y: Any, scope: Scope) -> dict[str, Array]:
    """The arrays that have an element for each sequence."""
    arrays = {"output": session.predict(x), "hidden states": session.hidden_states(x)}
    if scope.training:
        arrays["d x"] = session.gradients(x, y)[1]["x"]
    if scope.hidden_gradients:
        arrays["d hidden states"] = session.hidden_gradients(x, y)
    return arrays


def _keeps_weights(session: Session, x: Array, y: Array) -> bool:
    """Whether weights that were read before an update are the same after it."""
    read = session.params()
    copies = _copies(read)
    session.step(session.put(x), session.put(y))
    session.wait()
    return all(np.array_equal(read[name], copies[name], equal_nan=True) for name in copies)


def _copies(params: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.array(value) for name, value in params.items()}
