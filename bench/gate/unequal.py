"""Sequences of unequal lengths and given states, where the backend takes them.

No probe asks for them, but users' models do. What stands beyond the end of a sequence is NaN, which
changes nothing in a right backend.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.gate.allowance import Allowance
from bench.gate.answers import compare_answers
from bench.gate.difference import Difference
from bench.gate.observe import Scope
from bench.gate.reference import ModelOnBatch
from bench.gate.rounding import FLOAT64_TOLERANCE
from bench.probes.context import ProbeContext
from bench.spec import CELLS, Array, ModelSpec, Session, Supports

CHANGED = "arrays of the caller"
LENGTHS, STATE = "lengths", "an initial state"
"""What an unequal batch has beside x, in the names of the arrays that are compared on it."""


@dataclass(frozen=True)
class UnequalBatch:
    """x `(batch, time, inputs)`, NaN beyond the ends, and what a backend takes beside it: lengths
    `(batch,)` and an initial state; None for what it does not take."""

    x: Array
    lengths: Array | None
    state: Any

    @property
    def ending(self) -> str:
        """Ends the names of the arrays that are compared on this batch."""
        arguments = {LENGTHS: self.lengths, STATE: self.state}
        return " with " + " and ".join(k for k, value in arguments.items() if value is not None)

    @property
    def arrays(self) -> list[Array]:
        """All arrays of the batch."""
        states = self.state if isinstance(self.state, tuple) else (self.state,)
        return [array for array in (self.x, self.lengths, *states) if array is not None]


def unequal_batch(model: ModelSpec, supports: Supports, x: Array) -> UnequalBatch:
    """The sequences x with all that the backend takes beside them. The first length is 1, the last
    that of x."""
    batch, time, _ = x.shape
    x, lengths, state = np.array(x), None, None
    if supports.lengths:
        lengths = np.linspace(1, time, batch).astype(int)
        x[np.arange(time) >= lengths[:, None]] = np.nan
    if supports.initial_state:
        shape = (model.layers * model.directions, batch, model.hidden)
        rng = np.random.default_rng(1)
        states = tuple(rng.uniform(-0.5, 0.5, shape) for _ in CELLS[model.cell].states)
        state = states if len(states) > 1 else states[0]
    return UnequalBatch(x, lengths, state)


def on_unequal_batch(
    context: ProbeContext,
    session: Session,
    subject: ModelOnBatch,
    scope: Scope,
    allowances: Mapping[str, Allowance],
) -> list[Difference]:
    """How far outputs, states and gradients are from the reference's, at the weights that the
    session has; and whether the arrays that it was given are as before.

    Empty for a backend that takes neither lengths nor states.
    """
    batch = unequal_batch(subject.model, context.supports, subject.x)
    if len(batch.arrays) == 1:
        return []

    def ask(session: Session, x: Array) -> dict[str, Array]:
        given = (x, batch.lengths, batch.state)
        arrays = {"output": session.predict(*given), "hidden states": session.hidden_states(*given)}
        if scope.training and batch.lengths is not None:
            loss, gradients = session.gradients(x, subject.y, batch.lengths)
            arrays["loss"] = np.asarray(loss)
            arrays |= {f"d {name}": value for name, value in gradients.items()}
        return arrays

    copies = [array.copy() for array in batch.arrays]
    weights = session.params()
    answers = ask(session, batch.x)
    same = all(map(_equal, batch.arrays, copies))
    here = replace(subject, weights=weights, x=copies[0])
    return [
        *compare_answers(context, here, answers, ask, allowances, batch.ending),
        Difference(CHANGED, 0.0 if same else math.inf, FLOAT64_TOLERANCE),
    ]


def _equal(array: Array, copy: Array) -> bool:
    return np.array_equal(array, copy, equal_nan=True)
