"""The arrays that the gate compares: a session computes them for one model on one batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, TypeAlias

import numpy as np

from bench.gate.difference import relative_error
from bench.probes.context import Batch
from bench.spec import Array, Params, Session, Supports

Update: TypeAlias = tuple[Array, Array] | tuple[Array, Array, Array]
"""x, y and perhaps lengths."""
STEPS = 5
"""Updates that the gate compares."""
LOSSES = "losses of five steps"
AFTER_STEPS = " after five steps"
"""Ends the names of weights after the updates."""


PROVEN_STEPS = 64
"""The first steps of a sequence that are compared where it runs by single steps."""


@dataclass(frozen=True)
class Scope:
    """The arrays that a backend can compute, beside outputs and hidden states."""

    training: bool = True
    hidden_gradients: bool = True

    @classmethod
    def from_supports(cls, supports: Supports) -> "Scope":
        """The arrays that a backend with these abilities can compute."""
        training = bool(supports.training)
        return cls(training, training and bool(supports.hidden_gradients))


@dataclass(frozen=True)
class Observation:
    """The compared arrays by name, and the `trajectory`: the gradients of all weights before
    each of the five steps.

    Names are `output`, `hidden states`, `loss`, `d <parameter>` and `d x` for gradients,
    `d hidden states` for dL/dh_t, `losses of five steps` and `<parameter> after five steps`.
    The trajectory is empty unless `observe` is asked to record it.
    """

    arrays: Mapping[str, Array]
    trajectory: Sequence[Params] = ()


def observe(
    session: Session,
    x: Array,
    y: Array,
    scope: Scope = Scope(),
    *,
    second: Batch | None = None,
    trajectory: bool = False,
) -> Observation:
    """Everything that the scope covers. Trains the session for five steps; a `second` batch takes
    turns with the first."""
    arrays = observe_untrained(session, session.put(x), session.put(y), scope)
    if not scope.training:
        return Observation(arrays)
    trained = observe_training(session, batches_of(x, y, second), trajectory=trajectory)
    return Observation({**arrays, **trained.arrays}, trained.trajectory)


def batches_of(x: Array, y: Array, second: Batch | None) -> list[Batch]:
    """The batches of the five steps, which come round again."""
    return [(x, y), *([second] if second else [])]


def observe_training(
    session: Session, batches: Iterable[Batch], *, trajectory: bool = False
) -> Observation:
    """The losses of five steps and the weights after them. The losses are read after the last
    step, as in a training run."""
    losses, gradients = train(session, list(batches), trajectory=trajectory)
    weights = {f"{name}{AFTER_STEPS}": value for name, value in session.params().items()}
    return Observation({LOSSES: losses, **weights}, gradients)


def observe_untrained(session: Session, x: Any, y: Any, scope: Scope) -> dict[str, Array]:
    """The arrays at the weights that the session has, by name; x and y are on its device."""
    arrays = {"output": session.predict(x), "hidden states": session.hidden_states(x)}
    if scope.training:
        loss, gradients = session.gradients(x, y)
        arrays["loss"] = np.asarray(loss)
        arrays |= {f"d {name}": value for name, value in gradients.items()}
    if scope.hidden_gradients:
        arrays["d hidden states"] = session.hidden_gradients(x, y)
    return arrays


def train(
    session: Session, updates: Sequence[Update], count: int = STEPS, *, trajectory: bool = False
) -> tuple[Array, list[Params]]:
    """The losses before each of `count` updates, which come round again, and the gradients before
    each if asked for. The losses are read after the last update."""
    on_device = [tuple(map(session.put, update)) for update in updates]
    losses, gradients = [], list[Params]()
    for update in islice(cycle(on_device), count):
        if trajectory:
            by_name = session.gradients(*update)[1]
            gradients.append({name: value for name, value in by_name.items() if name != "x"})
        losses.append(session.step(*update))
    session.wait()
    return np.array([float(loss) for loss in losses]), gradients


# ---- a running sequence ----------------------------------------------------------------------


def advance_steps(session: Any, x: Array) -> Array:
    """The outputs `(batch, time, outputs)` of x `(batch, time, inputs)` by one call of `advance`
    for each step, from zeros."""
    outputs, state = [], None
    for t in range(x.shape[1]):
        output, state = session.advance(x[:, t : t + 1], state)
        outputs.append(np.asarray(output).reshape(x.shape[0], -1))
    return np.stack(outputs, axis=1)


def advance_error(session: Session, x: Array) -> float:
    """How far the outputs of single steps are from the readout of the same session's hidden states
    over all of x, at the weights that it has now.

    Hidden states and weights are compared with the reference elsewhere. So a state that is not
    carried shows here, and so do weights from before the last update.
    """
    states, weights = session.hidden_states(session.put(x)), session.params()
    expected = states[:, :PROVEN_STEPS] @ weights["readout.w"].T + weights["readout.b"]
    return relative_error(advance_steps(session, x[:, :PROVEN_STEPS]), expected)
