"""JAX: `jax.experimental.rnn.lstm`, cuDNN's fused lstm on NVIDIA GPUs.

The weights of all layers are one vector, as the library has it: W and U of every layer and
direction, then their two biases, of which the second stays zero and out of the optimiser. cuDNN
does not show h_t inside a layer: for dL/dh_t the same weights run step by step.
"""

from functools import cache
from typing import Any

from backends import _jax, jax_backend
from bench.spec import Limit, ModelSpec, Params, Supports, Training

REQUIRES = _jax.REQUIRES
_LSTM_ONLY = Limit("theirs", "jax.experimental.rnn has the lstm only")
SUPPORTS = Supports(
    cells=("lstm",),
    dtypes=("float32",),
    decoder=True,
    generation=True,
    limits={
        "rnn": _LSTM_ONLY,
        "gru": _LSTM_ONLY,
        "feedforward": _LSTM_ONLY,
        "float64": Limit("theirs", "jax.experimental.rnn computes in float32 only"),
        "bfloat16": Limit("theirs", "jax.experimental.rnn computes in float32 only"),
    },
)

settings, peak_memory = _jax.settings, _jax.peak_memory


def devices() -> tuple[str, ...]:
    return tuple(device for device in _jax.devices() if device != "cpu")


def unavailable(device: str) -> str | None:
    if device == "cpu":
        return "jax.experimental.rnn calls cuDNN, which runs on NVIDIA GPUs only"
    return _jax.unavailable(device)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "cudnn"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _jax.JaxSession:
    _jax.check(SUPPORTS, spec, unavailable(device))
    return _jax.JaxSession(STACK, spec, params, device, training)


def native(spec: ModelSpec, params: Params) -> Any:
    import jax.numpy as jnp

    layers = _jax.by_layer(spec, params).values()
    matrices = [own[kind].reshape(-1) for own in layers for kind in ("w", "u")]
    biases = [bias for own in layers for bias in (own["b"], jnp.zeros_like(own["b"]))]
    return jnp.concatenate(matrices + biases)


def canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    from jax.experimental.rnn import unpack_lstm_weights

    w, u, b, _ = unpack_lstm_weights(weights, *shape(spec))
    layers = enumerate(_jax.layer_names(spec))
    return _jax.by_name({name: {"w": w[k], "u": u[k], "b": b[k]} for k, name in layers})


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> Any:
    """See `_jax.Stack`."""
    import jax.numpy as jnp
    from jax import lax
    from jax.experimental.rnn import lstm

    if delta is not None:
        own = jax_backend.native(spec, canonical(spec, weights))
        above, final = jax_backend.run(spec, own, x, lengths, initial, delta.transpose(1, 0, 2))
        return above.transpose(1, 0, 2), final
    batch, time, _ = x.shape
    zero = jnp.zeros((spec.layers * spec.directions, batch, spec.hidden), x.dtype)
    start = initial or (zero, zero)
    ends = jnp.full(batch, time, "int32") if lengths is None else lengths
    fixed = (*shape(spec)[:3], 0.0, spec.bidirectional, lax.Precision.HIGHEST)
    above, *final = lstm(x, *start, one_bias(spec)(weights), ends, *fixed)
    return held(spec, above, start[0], final[0], lengths), tuple(final)


def shape(spec: ModelSpec) -> tuple[int, int, int, bool]:
    return spec.inputs, spec.hidden, spec.layers, spec.bidirectional


def held(spec: ModelSpec, above: Any, start: Any, final: Any, lengths: Any) -> Any:
    """cuDNN leaves zeros beyond the end: there the last state is forwards, the first backwards.
    Batch first throughout: of the layer's output transposed, XLA for GPUs took a gather and a
    product to lie the other way round in memory (seen in JAX 0.11.2)."""
    import jax.numpy as jnp

    if lengths is None:
        return above
    beyond = jnp.arange(above.shape[1])[None] >= lengths[:, None]
    at_the_end = [final[-1]] if spec.directions == 1 else [final[-2], start[-1]]
    return jnp.where(beyond[:, :, None], jnp.concatenate(at_the_end, axis=1)[:, None], above)


@cache
def one_bias(spec: ModelSpec) -> Any:
    """The weights as they are; in their gradient the second biases are zero, so that the
    optimiser leaves them where they are (Adam divides by ε at the least)."""
    import jax.numpy as jnp
    from jax import custom_vjp

    each = 4 * spec.hidden
    count = 2 * each * spec.layers * spec.directions

    def back(_: None, gradient: Any) -> tuple[Any]:
        place = jnp.arange(gradient.size) - (gradient.size - count)
        return (jnp.where((place >= 0) & (place // each % 2 == 1), 0, gradient),)

    same = custom_vjp(lambda weights: weights)
    same.defvjp(lambda weights: (weights, None), back)
    return same


STACK = _jax.Stack(native, canonical, run)
