"""Adapters with one fault each, made from the NumPy reference: the parity gate must reject them.

The names say what is wrong. Studies of the gate's error rates and the tests of the gate use them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

import backends
from bench.spec import Array, ModelSpec, Params, Supports, Training

ChangeWeights = Callable[[ModelSpec, dict[str, Array]], dict[str, Array]]
Gradients = tuple[float, dict[str, Array]]
"""The loss, and the gradients by name, as `Session.gradients` returns them."""


def _reference_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Any:
    return backends.load(backends.REFERENCE).open_session(spec, params, device, training)


def backend(open_session: Callable[..., Any]) -> Any:
    """A backend for the CPU that opens its sessions with this function."""
    return SimpleNamespace(
        REQUIRES=(),
        SUPPORTS=Supports(generation=True),
        devices=lambda: ("cpu",),
        open_session=open_session,
    )


class AlteredSession:
    """A session in which some methods return something else than they computed.

    `changes` maps the name of a method to a function that takes its result and returns another.
    """

    def __init__(self, session: Any, changes: Mapping[str, Callable[..., Any]]) -> None:
        self._session, self._changes = session, changes

    def __getattr__(self, name: str) -> Any:
        method, change = getattr(self._session, name), self._changes.get(name)
        if change is None:
            return method
        return lambda *arguments, **keywords: change(method(*arguments, **keywords))


def with_weights(change: ChangeWeights) -> Any:
    """A backend that computes correctly, but with changed weights; the gradients have the names
    of the weights that were asked for."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return _reference_session(spec, change(spec, dict(params)), device, training)

    return backend(open_session)


def with_results(**changes: Callable[..., Any]) -> Any:
    """A backend whose sessions are `AlteredSession`s with these changes."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        session = _reference_session(spec, params, device, training)
        return AlteredSession(session, changes)

    return backend(open_session)


def stale_advance() -> Any:
    """A backend whose `advance` reads the weights that the session was opened with."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        session = _reference_session(spec, params, device, training)
        altered: Any = AlteredSession(session, {})
        altered.advance = _reference_session(spec, params, device, training).advance
        return altered

    return backend(open_session)


def with_training(**fields: Any) -> Any:
    """A backend that trains with other settings in these fields of `Training`."""
    return _with_changed_training(lambda training: replace(training, **fields))


def with_rate(factor: float) -> Any:
    """A backend that trains at a multiple of the learning rate."""
    return _with_changed_training(
        lambda training: replace(training, learning_rate=factor * training.learning_rate)
    )


def _with_changed_training(change: Callable[[Training], Training]) -> Any:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return _reference_session(spec, params, device, change(training))

    return backend(open_session)


# ---- changed weights -------------------------------------------------------------------------


def swapped_gates(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    """The first two gate blocks of w, u and b swapped: i and f of the lstm, r and z of the gru."""
    return {name: _first_blocks_swapped(spec, name, value) for name, value in params.items()}


def _first_blocks_swapped(spec: ModelSpec, name: str, value: Array) -> Array:
    if name.startswith("readout") or name.endswith("b_hn"):
        return value
    size = spec.hidden
    return np.concatenate([value[size : 2 * size], value[:size], value[2 * size :]])


def dropped_bias(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    """Every bias but `b_hn` zero."""
    return {k: np.zeros_like(v) if k.endswith(".b") else v for k, v in params.items()}


def transposed_recurrence(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    """Each gate's recurrent matrix transposed."""
    size = spec.hidden
    transposed = {
        name: np.concatenate([value[k : k + size].T for k in range(0, len(value), size)])
        for name, value in params.items()
        if name.endswith(".u")
    }
    return params | transposed


# ---- changed results -------------------------------------------------------------------------


def zeros() -> Any:
    """A backend that returns zeros for everything."""
    return with_results(
        predict=np.zeros_like,
        hidden_states=np.zeros_like,
        gradients=lambda result: (0.0, {k: np.zeros_like(v) for k, v in result[1].items()}),
        hidden_gradients=np.zeros_like,
    )


def wrong_gradient(name: str, factor: float) -> Any:
    """A backend that multiplies the gradient of one parameter by a factor."""

    def change(result: Gradients) -> Gradients:
        loss, gradients = result
        return loss, {k: v * factor if k == name else v for k, v in gradients.items()}

    return with_results(gradients=change)


def missing_gradient(name: str) -> Any:
    """A backend that leaves out the gradient of one parameter."""

    def change(result: Gradients) -> Gradients:
        loss, gradients = result
        return loss, {k: v for k, v in gradients.items() if k != name}

    return with_results(gradients=change)


def not_a_number() -> Any:
    """A backend whose outputs are all NaN."""
    return with_results(predict=lambda output: np.full_like(output, np.nan))


def shifted_hidden_gradients() -> Any:
    """A backend that reports dL/dh_t one step late."""
    return with_results(hidden_gradients=lambda gradients: np.roll(gradients, 1, axis=1))


def second_bias() -> Any:
    """A backend that trains two biases where there is one: their sum moves twice as far."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        def moved_twice(trained: dict[str, Array]) -> dict[str, Array]:
            biases = (name for name in trained if name.endswith(".forward.b"))
            return trained | {name: 2 * trained[name] - params[name] for name in biases}

        session = _reference_session(spec, params, device, training)
        return AlteredSession(session, {"params": moved_twice})

    return backend(open_session)
