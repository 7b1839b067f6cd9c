"""Keras' recurrent layers for sessions that hold the weights themselves: JAX's and PyTorch's.

Keras computes with what `KERAS_BACKEND` says when it is imported, once for the whole process.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backends._keras import Choices, Network
from bench.spec import Array, Limit, ModelSpec, Unsupported

DTYPES = ("bfloat16", "float32")
LIMITS = {
    "float64": Limit(
        "theirs", "Keras rounds float64 to float32 everywhere but on TensorFlow (keras #23704)"
    )
}


def keras_on(backend: str) -> Any:
    """Keras, if it computes with this backend."""
    os.environ.setdefault("KERAS_BACKEND", backend)
    import keras

    if (active := keras.backend.backend()) != backend:
        raise Unsupported(f"Keras is set to compute with {active}: unset KERAS_BACKEND")
    return keras


def layers(spec: ModelSpec, weights: Mapping[str, Any], cudnn: bool) -> Network:
    """The layers of one stack, for weights of these shapes by canonical name. Made in a stateless
    scope, their variables hold no arrays. `cudnn`: where Keras may take its own fast path."""
    import keras

    zeros = {name: np.zeros(tuple(value.shape), spec.storage) for name, value in weights.items()}
    with keras.StatelessScope(initialize_variables=False):
        own = replace(spec, decoder=0)
        return Network(own, {**zeros, **no_readout(spec)}, Choices(cudnn=cudnn))


def run(
    network: Network,
    arrays: Sequence[Any],
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """All states of the last layer `(batch, time, hidden × directions)` and the final ones, with
    these arrays in the place of the variables; `delta` is added to the states as they are made."""
    import keras

    with keras.StatelessScope(list(zip(network.variables, arrays, strict=False))):
        states = network.states(x, initial)
        above, final = network.run(network.layers, x, states, lengths, delta, every=True)
        return above, tuple(keras.ops.stack(part) for part in zip(*final, strict=True))


def no_readout(spec: ModelSpec) -> dict[str, Array]:
    """What stands for the readout, which is the session's."""
    width = spec.hidden * spec.directions
    return {
        "readout.w": np.zeros((spec.outputs, width), spec.storage),
        "readout.b": np.zeros(spec.outputs, spec.storage),
    }
