"""Keras' layers as a stack of the JAX sessions: weights are a list of arrays in Keras' order."""

from dataclasses import replace
from typing import Any

import numpy as np

from backends._jax.stack import Stack
from backends._keras.stateless import build_layers, readout_zeros, run_layers
from backends._keras.weights import to_canonical, to_keras
from bench.spec import Array, ModelSpec, Params


def native(spec: ModelSpec, params: Params) -> list[Array]:
    """The arrays of Keras' variables, in its order, from canonical weights of the layers."""
    *arrays, _, _ = to_keras(replace(spec, decoder=0), {**params, **readout_zeros(spec)})
    return [np.ascontiguousarray(array) for array in arrays]


def canonical(spec: ModelSpec, weights: list[Any]) -> dict[str, Array]:
    """The inverse of `native`, for weights and for their gradients."""
    arrays = [*map(np.asarray, weights), *readout_zeros(spec).values()]
    params = to_canonical(replace(spec, decoder=0), arrays)
    return {name: array for name, array in params.items() if not name.startswith("readout")}


def run(
    spec: ModelSpec,
    weights: list[Any],
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """Run the layers; called only while JAX traces. See `backends._jax` for the arguments."""
    # Keras takes cuDNN for its lstm wherever the process sees a GPU, for a model on the CPU as
    # well. The fast path of its gru is the same on all devices.
    return _run(spec, spec.cell == "gru", weights, x, lengths, initial_state, perturbation)


def run_by_cudnn(
    spec: ModelSpec,
    weights: list[Any],
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
) -> tuple[Any, tuple[Any, ...]]:
    """Run the layers as Keras does by default on a GPU: by cuDNN, or by its own loop where there
    is a mask. Not yet run on a GPU."""
    return _run(spec, True, weights, x, lengths, initial_state, perturbation)


def _run(
    spec: ModelSpec, fast: bool, weights: list[Any], *inputs: Any
) -> tuple[Any, tuple[Any, ...]]:
    """`fast` lets Keras take its fast path."""
    shapes = canonical(spec, [np.zeros(array.shape) for array in weights])
    network = build_layers(spec, shapes, cudnn=fast)
    # The second bias of r and z takes part as a constant, and so stays zero.
    arrays = network.without_untrained(weights)
    return run_layers(network, arrays, *inputs)


STACK = Stack(native, canonical, run)
CUDNN_STACK = Stack(native, canonical, run_by_cudnn)
