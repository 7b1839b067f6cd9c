"""Backends that are wrong in one way each, made from the NumPy reference: the gate's prey."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from backends import numpy_backend
from bench.spec import Array, ModelSpec, Params, Supports, Training

Change = Callable[[ModelSpec, dict[str, Array]], dict[str, Array]]


def backend(session: Callable[..., Any]) -> Any:
    return SimpleNamespace(
        REQUIRES=(), SUPPORTS=Supports(), devices=lambda: ("cpu",), open_session=session
    )


def with_weights(change: Change) -> Any:
    """Computes rightly with wrong weights, whose gradients come back under the right names."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return numpy_backend.open_session(spec, change(spec, dict(params)), device, training)

    return backend(open_session)


def swapped_gates(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    """The first two gate blocks change places in w, u and b: i and f of the lstm."""
    return {name: _swapped(spec, name, value) for name, value in params.items()}


def _swapped(spec: ModelSpec, name: str, value: Array) -> Array:
    if name.startswith("readout") or name.endswith("b_hn"):
        return value
    size = spec.hidden
    return np.concatenate([value[size : 2 * size], value[:size], value[2 * size :]])


def dropped_bias(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    return {k: np.zeros_like(v) if k.endswith(".b") else v for k, v in params.items()}


def transposed_recurrence(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    size = spec.hidden
    blocks = {
        name: [value[k : k + size].T for k in range(0, len(value), size)]
        for name, value in params.items()
        if name.endswith(".u")
    }
    return {**params, **{name: np.concatenate(parts) for name, parts in blocks.items()}}


class Altered:
    """The reference's session with some methods replaced."""

    def __init__(self, session: Any, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._session, self._methods = session, methods

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._session, name)
        change = self._methods.get(name)
        return own if change is None else lambda *args, **more: change(own(*args, **more))


def with_results(**methods: Callable[..., Any]) -> Any:
    """Returns something else than it computed."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return Altered(numpy_backend.open_session(spec, params, device, training), methods)

    return backend(open_session)


def with_training(**changes: Any) -> Any:
    """Trains by another formula than it was told."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        import dataclasses

        other = dataclasses.replace(training, **changes)
        return numpy_backend.open_session(spec, params, device, other)

    return backend(open_session)


def zeros() -> Any:
    return with_results(
        predict=np.zeros_like,
        hidden_states=np.zeros_like,
        gradients=lambda found: (0.0, {k: np.zeros_like(v) for k, v in found[1].items()}),
        hidden_gradients=np.zeros_like,
    )


def wrong_gradient(name: str, factor: float) -> Any:
    """One parameter's gradient is off by a factor; everything else is right."""

    def change(found: tuple[float, dict[str, Array]]) -> tuple[float, dict[str, Array]]:
        return found[0], {k: v * factor if k == name else v for k, v in found[1].items()}

    return with_results(gradients=change)


def missing_gradient(name: str) -> Any:
    return with_results(gradients=lambda f: (f[0], {k: v for k, v in f[1].items() if k != name}))


def not_a_number() -> Any:
    return with_results(predict=lambda found: np.full_like(found, np.nan))


def shifted_hidden_gradients() -> Any:
    """dL/dh_t reported one step late."""
    return with_results(hidden_gradients=lambda found: np.roll(found, 1, axis=1))
