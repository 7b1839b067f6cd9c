"""Keras' recurrent layers alone, on weights that a session of another framework holds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from backends._keras.network import Network
from backends._keras.options import LayerOptions
from bench.spec import Array, ModelSpec


def build_layers(spec: ModelSpec, weights: Mapping[str, Any], cudnn: bool) -> Network:
    """The layers of one stack, for weights of these shapes by canonical name.

    They are built in a stateless scope: their variables hold no arrays. `cudnn` lets Keras take
    its fast path.
    """
    zeros = {name: np.zeros(tuple(value.shape), spec.storage) for name, value in weights.items()}
    params = {**zeros, **readout_zeros(spec)}
    with keras.StatelessScope(initialize_variables=False):
        return Network(replace(spec, decoder=0), params, LayerOptions(cudnn=cudnn))


def run_layers(
    network: Network,
    arrays: Sequence[Any],
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """Run the layers with these arrays as the values of their variables.

    Returns all states of the last layer `(batch, time, hidden × directions)`, and the final ones
    h and, for the lstm, c, `(layers × directions, batch, hidden)`. `perturbation` is added to the
    last layer's h inside the loop over time.
    """
    with keras.StatelessScope(list(zip(network.variables, arrays, strict=False))):
        start = network.states(x, initial_state)
        h, final = network.run(network.layers, x, start, lengths, perturbation, every=True)
        return h, tuple(keras.ops.stack(states) for states in zip(*final, strict=True))


def readout_zeros(spec: ModelSpec) -> dict[str, Array]:
    """A stand-in for the readout, which the session holds and applies itself."""
    width = spec.hidden * spec.directions
    return {
        "readout.w": np.zeros((spec.outputs, width), spec.storage),
        "readout.b": np.zeros(spec.outputs, spec.storage),
    }
