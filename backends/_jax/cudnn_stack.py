"""`jax-cudnn`: `jax.experimental.rnn.lstm`, cuDNN's fused lstm.

The weights of all layers are one vector, as the library lays it out: W and U of each direction of
each layer, then their two biases. The second bias stays zero and out of the optimiser.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.rnn import lstm, unpack_lstm_weights

from backends._jax import bptt_stack
from backends._jax.layers import by_layer, by_name, layer_names
from backends._jax.stack import Stack
from bench.spec import ModelSpec, Params


def to_native(spec: ModelSpec, params: Params) -> Any:
    layers = by_layer(spec, params).values()
    matrices = [weights[name].reshape(-1) for weights in layers for name in ("w", "u")]
    biases = [b for weights in layers for b in (weights["b"], jnp.zeros_like(weights["b"]))]
    return jnp.concatenate(matrices + biases)


def to_canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    w, u, b, _ = unpack_lstm_weights(weights, *sizes(spec))
    layers = enumerate(layer_names(spec))
    return by_name({name: {"w": w[k], "u": u[k], "b": b[k]} for k, name in layers})


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
) -> Any:
    """See `RunStack`."""
    if perturbation is not None:
        return _run_step_by_step(spec, weights, x, lengths, initial_state, perturbation)
    batch, time, _ = x.shape
    zero = jnp.zeros((spec.layers * spec.directions, batch, spec.hidden), x.dtype)
    initial_state = initial_state or (zero, zero)
    ends = jnp.full(batch, time, "int32") if lengths is None else lengths
    options = (*sizes(spec)[:3], 0.0, spec.bidirectional, lax.Precision.HIGHEST)
    hidden, *final = lstm(x, *initial_state, freeze_second_biases(spec)(weights), ends, *options)
    return hold_beyond_end(spec, hidden, initial_state[0], final[0], lengths), tuple(final)


def _run_step_by_step(
    spec: ModelSpec, weights: Any, x: Any, lengths: Any, initial_state: Any, perturbation: Any
) -> Any:
    """Run the same weights in the loop of `jax`: cuDNN does not show h_t inside a layer."""
    by_layers = bptt_stack.STACK.to_native(spec, to_canonical(spec, weights))
    perturbation = perturbation.transpose(1, 0, 2)
    hidden, final = bptt_stack.run(spec, by_layers, x, lengths, initial_state, perturbation)
    return hidden.transpose(1, 0, 2), final


def sizes(spec: ModelSpec) -> tuple[int, int, int, bool]:
    """What the library asks about a model, in its order."""
    return spec.inputs, spec.hidden, spec.layers, spec.bidirectional


def hold_beyond_end(spec: ModelSpec, hidden: Any, initial: Any, final: Any, lengths: Any) -> Any:
    """Fill the last layer's states `(batch, time, ·)` beyond the end of each sequence, where cuDNN
    leaves zeros: with the final h forwards, with the initial h backwards."""
    if lengths is None:
        return hidden
    # Batch first throughout: from the transposed output of the layer, XLA for GPUs took a gather
    # and a product in the wrong memory order (seen in JAX 0.11.2).
    beyond = jnp.arange(hidden.shape[1])[None] >= lengths[:, None]
    fill = [final[-1]] if spec.directions == 1 else [final[-2], initial[-1]]
    return jnp.where(beyond[:, :, None], jnp.concatenate(fill, axis=1)[:, None], hidden)


@cache
def freeze_second_biases(spec: ModelSpec) -> Any:
    """Return the identity on weights whose gradient is zero for the second biases, so that the
    optimiser leaves them at zero."""
    block = 4 * spec.hidden
    count = 2 * block * spec.layers * spec.directions

    def backward(_: None, gradient: Any) -> tuple[Any]:
        # Negative in front of the biases; the biases alternate, first and second.
        place_of = jnp.arange(gradient.size) - (gradient.size - count)
        return (jnp.where((place_of >= 0) & (place_of // block % 2 == 1), 0, gradient),)

    identity = jax.custom_vjp(lambda weights: weights)
    identity.defvjp(lambda weights: (weights, None), backward)
    return identity


STACK = Stack(to_native, to_canonical, run)
