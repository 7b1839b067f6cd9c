"""Keras on JAX: Keras' own recurrent layers inside the compiled functions of the JAX backends,
whose readout, losses and optimiser (Optax) they share."""

from dataclasses import replace
from typing import Any

import numpy as np

from backends import _jax, _keras_layers
from backends._jax.stack import Stack
from backends._keras import to_canonical, to_keras
from bench.spec import Array, ModelSpec, Params, Session, Supports, Training, Unsupported

REQUIRES = (*_jax.REQUIRES, "keras")
SUPPORTS = Supports(
    dtypes=_keras_layers.DTYPES, decoder=True, generation=True, limits=_keras_layers.LIMITS
)

environment = _jax.environment
devices, peak_memory, settings = _jax.devices, _jax.peak_memory, _jax.settings
expected_path = _jax.expected_path


def unavailable(device: str) -> str | None:
    return _jax.unavailable(device, REQUIRES)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    _keras_layers.keras_on("jax")
    from backends._jax.session import JaxSession

    return JaxSession(STACK, spec, params, device, training)


def native(spec: ModelSpec, params: Params) -> list[Array]:
    """Keras' arrays of the layers, in its order."""
    both = {**params, **_keras_layers.no_readout(spec)}
    *arrays, _, _ = to_keras(replace(spec, decoder=0), both)
    return [np.ascontiguousarray(array) for array in arrays]


def canonical(spec: ModelSpec, weights: list[Any]) -> dict[str, Array]:
    arrays = [*map(np.asarray, weights), *_keras_layers.no_readout(spec).values()]
    found = to_canonical(replace(spec, decoder=0), arrays)
    return {name: array for name, array in found.items() if not name.startswith("readout")}


def run(
    spec: ModelSpec,
    weights: list[Any],
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """See `RunStack`. Runs only when traced. Keras takes cuDNN for its lstm wherever the
    process sees a GPU, for a model on the CPU as well; its gru has a path for all devices."""
    shapes = canonical(spec, [np.zeros(array.shape) for array in weights])
    network = _keras_layers.layers(spec, shapes, cudnn=spec.cell == "gru")
    # Keras' second bias of r and z takes part as a constant, and so stays zero.
    pairs = zip(weights, network.trained, strict=False)
    owned = [array if ones.all() else array * ones for array, ones in pairs]
    return _keras_layers.run(network, owned, x, lengths, initial, delta)


STACK = Stack(native, canonical, run)
