"""JAX: the cells written out, `lax.scan` over time, differentiated automatically."""

from typing import Any

from backends import _jax
from bench.spec import DTYPES, ModelSpec, Params, Supports, Training

REQUIRES = _jax.REQUIRES
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)

devices, unavailable, settings = _jax.devices, _jax.unavailable, _jax.settings
peak_memory, expected_path = _jax.peak_memory, _jax.expected_path


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _jax.JaxSession:
    _jax.check(SUPPORTS, spec, unavailable(device))
    return _jax.JaxSession(STACK, spec, params, device, training)


def native(spec: ModelSpec, params: Params) -> dict[str, Any]:
    return _jax.by_layer(spec, params)


def canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    return _jax.by_name(weights)


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> Any:
    """See `_jax.Stack`."""
    cell = CELLS.get(spec.gru if spec.cell == "gru" else spec.cell)

    def layer(name: str, below: Any, start: Any, delta: Any, reverse: bool) -> Any:
        if spec.cell == "feedforward":
            return _jax.feedforward(spec, weights[name], below, start, lengths, delta, reverse)
        return scanned(spec, cell, weights[name], below, start, lengths, delta, reverse)

    return _jax.stacked(spec, layer, x, initial, delta)


def scanned(
    spec: ModelSpec,
    cell: Any,
    own: Any,
    below: Any,
    start: Any,
    lengths: Any,
    delta: Any,
    reverse: bool,
) -> Any:
    """One direction of one layer: W x + b for all steps in one product, then the scan."""
    import jax.numpy as jnp
    from jax import lax

    weights = {name: own[name] for name in ("u", "b_hn") if name in own}

    def step(state: Any, inputs: Any) -> Any:
        at, nudge, keep = inputs
        low = {k: v.astype(spec.dtype) for k, v in weights.items()}
        new = cell(at, *state, **low)
        if nudge is not None:
            new = (new[0] + nudge, *new[1:])
        new = tuple(part.astype(spec.dtype) for part in new)
        if keep is not None:
            new = tuple(jnp.where(keep, n, s) for n, s in zip(new, state, strict=True))
        return new, new[0]

    a = _jax.products(below, own, spec.dtype) + own["b"]
    inputs = (a, delta, _jax.kept(lengths, len(below)))
    start = tuple(part.astype(spec.dtype) for part in start)
    return lax.scan(step, start, inputs, reverse=reverse)


# The gates are cut by jnp.split, as most programs do it: of slices the derivatives are padded with
# zeros and added. jax 0.10.2 is reported to compile wrong gradients of it on the CPU of some
# machines; that version is excluded, and the parity gate is there.


def rnn(a: Any, h: Any, *, u: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp

    return (jnp.tanh(a + h @ u.T),)


def lstm(a: Any, h: Any, c: Any, *, u: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    i, f, g, o = jnp.split(a + h @ u.T, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    return sigmoid(o) * jnp.tanh(c), c


def gru(a: Any, h: Any, *, u: Any, b_hn: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    ar, az, an = jnp.split(a, 3, axis=1)
    vr, vz, vn = jnp.split(h @ u.T, 3, axis=1)
    r, z = sigmoid(ar + vr), sigmoid(az + vz)
    return ((1 - z) * jnp.tanh(an + r * (vn + b_hn)) + z * h,)


def gru_reset_before(a: Any, h: Any, *, u: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    ends = [2 * h.shape[1]]
    (gates, an), (u_gates, u_n) = jnp.split(a, ends, axis=1), jnp.split(u, ends)
    r, z = jnp.split(sigmoid(gates + h @ u_gates.T), 2, axis=1)
    n = jnp.tanh(an + (r * h) @ u_n.T)
    return ((1 - z) * n + z * h,)


CELLS = {"rnn": rnn, "lstm": lstm, "reset_after": gru, "reset_before": gru_reset_before}
STACK = _jax.Stack(native, canonical, run, time_major=True)
