"""JAX: the cells written out, with a backward pass of its own.

Differentiated automatically, a scan adds up dL/dU step by step. Here the backward loop leaves the
derivative of every pre-activation, and all weight gradients are one product over all steps
(Werbos 1990). Sequences are time-major `(T, B, ·)`. The forward loop leaves the derivatives of a
cell, and the backward loop multiplies them in place. That keeps memory small, and time with it: a
large buffer is mapped anew, page by page, in every call. In `bfloat16` the products take rounded
weights, inputs and h and are summed in float32, in which gates and the lstm's c stay.
"""

from functools import cache, partial
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
        own = weights[name]
        if spec.cell == "feedforward":
            return _jax.feedforward(spec, own, below, start, lengths, delta, reverse)
        keep = _jax.kept(lengths, len(below))
        return direction(cell, spec.dtype, reverse)(own, below, start, keep, delta)

    return _jax.stacked(spec, layer, x, initial, delta)


# ---- one direction of one layer --------------------------------------------------------------


@cache
def direction(cell: Any, dtype: str, reverse: bool) -> Any:
    """The function of weights, input `(T, B, D)`, initial state, mask `(T, B, 1)` and
    perturbation `(T, B, H)`, both of which may be None, that gives the final state and h of every
    step `(T, B, H)`."""
    from jax import custom_vjp

    fixed = (cell, dtype, reverse)
    function = custom_vjp(partial(forward, *fixed))
    function.defvjp(partial(forward_saving, *fixed), partial(backward, *fixed))
    return function


def forward(
    cell: Any, dtype: str, reverse: bool, own: Any, below: Any, start: Any, keep: Any, delta: Any
) -> Any:
    """Without what the backward pass needs."""
    from jax import lax

    low = rounded(own, dtype)

    def step(state: Any, inputs: Any) -> Any:
        given, kept, nudge = inputs
        new = cell.forward(product(cell, given, low), state, low)[0]
        new = moved(new, state, kept, nudge)
        return new, new[0]

    inputs = (ahead(cell, own, below, dtype), keep, delta)
    return lax.scan(step, start, inputs, reverse=reverse)


def forward_saving(
    cell: Any, dtype: str, reverse: bool, own: Any, below: Any, start: Any, keep: Any, delta: Any
) -> Any:
    """`forward`, and what its backward pass needs: the rows [h before the step, x, 1] of all steps
    `(T, B, H + D + 1)`, and the cell's tape."""
    import jax.numpy as jnp
    from jax import lax

    low, steps, (batch, size) = rounded(own, dtype), len(below), start[0].shape
    given = ahead(cell, own, below, dtype)

    def step(k: Any, carry: Any) -> Any:
        state, rows, tape = carry
        t = steps - 1 - k if reverse else k
        new, written = cell.forward(product(cell, given[t], low), state, low)
        rows = lax.dynamic_update_slice(rows, state[0][None], (t, 0, 0))
        new = moved(new, state, at(keep, t), at(delta, t))
        return new, rows, overwritten(tape, written, t)

    empty, one = (jnp.full((steps, batch, n), v, below.dtype) for n, v in ((size, 0), (1, 1)))
    rows = jnp.concatenate([empty, below, one], axis=2)
    tape = tuple(jnp.zeros((steps, batch, n * size), below.dtype) for n in cell.tape) or (given,)
    end, rows, tape = lax.fori_loop(0, steps, step, (start, rows, tape))
    before, last = rows[:, :, :size], end[0][None]
    above = [last, before[:-1]] if reverse else [before[1:], last]
    return (end, jnp.concatenate(above)), (own, rows, end[0], tape, keep, delta)


def backward(cell: Any, dtype: str, reverse: bool, saved: Any, cotangents: Any) -> Any:
    import jax.numpy as jnp
    from jax import lax

    own, rows, end, tape, keep, delta = saved
    d_end, d_above = cotangents
    low, steps = rounded(own, dtype), len(rows)

    def step(k: Any, carry: Any) -> Any:
        d_state, tape, d_delta = carry
        t = k if reverse else steps - 1 - k
        d_new = (d_state[0] + d_above[t], *d_state[1:])
        made = following(rows, end, t, reverse)
        made = made if delta is None else made - delta[t]
        d, d_old = cell.backward(d_new, made, tuple(at(m, t) for m in tape), low)
        seen = d_new[0]
        if (kept := at(keep, t)) is not None:
            seen, *d = (jnp.where(kept, v, 0) for v in (seen, *d))
            d_old = tuple(jnp.where(kept, o, n) for o, n in zip(d_old, d_new, strict=True))
        return d_old, overwritten(tape, d, t), None if delta is None else put(d_delta, seen, t)

    carry = (d_end, tape, None if delta is None else jnp.zeros_like(delta))
    d_start, tape, d_delta = lax.fori_loop(0, steps, step, carry)
    da, d_own = cell.gradients([flat(m) for m in tape], flat(rows), end.shape[1], dtype)
    d_below = times(da, low["w"]).reshape(*rows.shape[:2], -1)
    return d_own, d_below, d_start, None, d_delta


def ahead(cell: Any, own: Any, below: Any, dtype: str) -> Any:
    """What the steps of a loop are given: the products W x of a cell without a tape of its own,
    which its backward pass overwrites; for other cells, whose gates XLA would not vectorise were
    they computed from a step of a sequence, the input itself."""
    return below if cell.tape else _jax.products(below, own, dtype)


def product(cell: Any, given: Any, weights: Any) -> Any:
    """W x of a step."""
    return times(given, weights["w"].T) if cell.tape else given


def moved(new: Any, state: Any, keep: Any, nudge: Any) -> Any:
    """The state after a step, perturbed, or held where the sequence has ended."""
    import jax.numpy as jnp

    if nudge is not None:
        new = (new[0] + nudge, *new[1:])
    if keep is not None:
        new = tuple(jnp.where(keep, n, s) for n, s in zip(new, state, strict=True))
    return new


# ---- the cells: forward and backward side by side --------------------------------------------
# `forward(a, state, weights)`, of the product a = W x, gives the state after a step and what it
# leaves on the tape, arrays of `tape` times the width of h. `backward(d_state, h, tape, weights)`,
# of h as the step made it, gives what takes the place of the tape's first arrays in turn, and the
# derivative of the state before the step. It reads such an array for what it writes to its place
# alone, or XLA copies all of it in every step. What a loop writes beside them costs as much as
# what it computes. `gradients(tape, rows, size, dtype)` gives the derivative of all pre-activations
# and of the weights, from the tape and the rows [h before the step, x, 1], size being that of h.
# The gates are cut by slices: with jnp.split, jax 0.10.2 is reported to compile wrong gradients on
# the CPU of some machines.


class Rnn:
    """h' = tanh(a + U h) (Elman 1990)."""

    tape = ()

    @staticmethod
    def forward(a: Any, state: Any, weights: Any) -> Any:
        import jax.numpy as jnp

        new = jnp.tanh(a + weights["b"] + times(state[0], weights["u"].T))
        return (new,), ()

    @staticmethod
    def backward(d_state: Any, made: Any, tape: Any, weights: Any) -> Any:
        da = d_state[0] * (1 - made * made)
        return (da,), (times(da, weights["u"]),)

    @staticmethod
    def gradients(tape: Any, rows: Any, size: int, dtype: str) -> Any:
        found = outer(tape[0], rows, dtype)
        return tape[0], parted(found[:size], found[size:])


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Gers, Schmidhuber & Cummins 2000)."""

    tape = (4, 1, 1)

    @staticmethod
    def forward(a: Any, state: Any, weights: Any) -> Any:
        import jax.numpy as jnp
        from jax.nn import sigmoid

        (h, c), size = state, state[0].shape[1]
        v = a + weights["b"] + times(h, weights["u"].T)
        i, f, o = sigmoid(v[:, :size]), sigmoid(v[:, size : 2 * size]), sigmoid(v[:, 3 * size :])
        g = jnp.tanh(v[:, 2 * size : 3 * size])
        new = f * c + i * g
        squashed = jnp.tanh(new)
        of_c = (g * i * (1 - i), c * f * (1 - f), i * (1 - g * g))
        gates = jnp.concatenate([*of_c, squashed * o * (1 - o)], axis=1)
        return (o * squashed, new), (gates, o * (1 - squashed * squashed), f)

    @staticmethod
    def backward(d_state: Any, made: Any, tape: Any, weights: Any) -> Any:
        import jax.numpy as jnp

        (dh, dc), (gates, into_c, f) = d_state, tape
        dc = dc + dh * into_c
        da = gates * jnp.concatenate([dc, dc, dc, dh], axis=1)
        return (da,), (times(da, weights["u"]), dc * f)

    gradients = Rnn.gradients


class Gru:
    """n = tanh(a_n + r∘(U_n h + b_hn)), h' = (1 − z)∘n + z∘h (reset_after)."""

    tape = (3, 1, 1)

    @staticmethod
    def forward(a: Any, state: Any, weights: Any) -> Any:
        import jax.numpy as jnp
        from jax.nn import sigmoid

        h, size = state[0], state[0].shape[1]
        a, v = a + weights["b"], times(h, weights["u"].T)
        q = v[:, 2 * size :] + weights["b_hn"]
        r = sigmoid(a[:, :size] + v[:, :size])
        z = sigmoid(a[:, size : 2 * size] + v[:, size : 2 * size])
        n = jnp.tanh(a[:, 2 * size :] + r * q)
        of_n = (1 - z) * (1 - n * n)
        of_v = jnp.concatenate([of_n * q * r * (1 - r), (h - n) * z * (1 - z), of_n * r], axis=1)
        return (n + z * (h - n),), (of_v, of_n, z)

    @staticmethod
    def backward(d_state: Any, made: Any, tape: Any, weights: Any) -> Any:
        import jax.numpy as jnp

        dh, (of_v, of_n, z) = d_state[0], tape
        dv = of_v * jnp.concatenate([dh, dh, dh], axis=1)
        return (dv, of_n * dh), (times(dv, weights["u"]) + dh * z,)

    @staticmethod
    def gradients(tape: Any, rows: Any, size: int, dtype: str) -> Any:
        import jax.numpy as jnp

        dv, d_n, _ = tape
        found, of_n = outer(dv, rows, dtype), outer(d_n, rows[:, size:], dtype)
        inputs = jnp.concatenate([found[size:, : 2 * size], of_n], axis=1)
        da = jnp.concatenate([dv[:, : 2 * size], d_n], axis=1)
        return da, {**parted(found[:size], inputs), "b_hn": found[-1, 2 * size :]}


class GruResetBefore:
    """n = tanh(a_n + U_n (r∘h)), h' = (1 − z)∘n + z∘h (Cho et al. 2014)."""

    tape = (2, 1, 1, 1)

    @staticmethod
    def forward(a: Any, state: Any, weights: Any) -> Any:
        import jax.numpy as jnp
        from jax.nn import sigmoid

        h, size, u, b = state[0], state[0].shape[1], weights["u"], weights["b"]
        v = a[:, : 2 * size] + b[: 2 * size] + times(h, u[: 2 * size].T)
        r, z = sigmoid(v[:, :size]), sigmoid(v[:, size:])
        n = jnp.tanh(a[:, 2 * size :] + b[2 * size :] + times(r * h, u[2 * size :].T))
        of_rz = jnp.concatenate([h * r * (1 - r), (h - n) * z * (1 - z)], axis=1)
        return (n + z * (h - n),), (of_rz, (1 - z) * (1 - n * n), r, z)

    @staticmethod
    def backward(d_state: Any, made: Any, tape: Any, weights: Any) -> Any:
        import jax.numpy as jnp

        dh, (of_rz, of_n, r, z) = d_state[0], tape
        u, size = weights["u"], dh.shape[1]
        d_n = of_n * dh
        d_reset = times(d_n, u[2 * size :])
        d_rz = of_rz * jnp.concatenate([d_reset, dh], axis=1)
        return (d_rz, d_n), (times(d_rz, u[: 2 * size]) + d_reset * r + dh * z,)

    @staticmethod
    def gradients(tape: Any, rows: Any, size: int, dtype: str) -> Any:
        import jax.numpy as jnp

        d_rz, d_n, r, _ = tape
        reset = jnp.concatenate([r * rows[:, :size], rows[:, size:]], axis=1)
        parts = outer(d_rz, rows, dtype), outer(d_n, reset, dtype)
        found = jnp.concatenate(parts, axis=1)
        return jnp.concatenate([d_rz, d_n], axis=1), parted(found[:size], found[size:])


CELLS = {"rnn": Rnn, "lstm": Lstm, "reset_after": Gru, "reset_before": GruResetBefore}
NARROW = 256
"""Columns."""
STACK = _jax.Stack(native, canonical, run, time_major=True)


# ---- arrays ------------------------------------------------------------------------------------


def at(array: Any, t: Any) -> Any:
    """One step of an array, of None none."""
    return None if array is None else array[t]


def put(array: Any, value: Any, t: Any) -> Any:
    from jax import lax

    return lax.dynamic_update_index_in_dim(array, value, t, 0)


def overwritten(tape: Any, values: Any, t: Any) -> Any:
    """One step of the tape's first arrays."""
    first = tuple(put(m, v, t) for m, v in zip(tape, values, strict=False))
    return first + tape[len(first) :]


def following(rows: Any, end: Any, t: Any, reverse: bool) -> Any:
    """h after a step: that before the next one in the rows, at the end the final one."""
    import jax.numpy as jnp
    from jax import lax

    last = 0 if reverse else len(rows) - 1
    later = jnp.clip(t - 1 if reverse else t + 1, 0, len(rows) - 1)
    found = lax.dynamic_slice(rows, (later, 0, 0), (1, *end.shape))[0]
    return jnp.where(t == last, end, found)


def flat(array: Any) -> Any:
    return array.reshape(-1, array.shape[-1])


def rounded(weights: Any, dtype: str) -> Any:
    """The matrices in that dtype."""
    return {name: v.astype(dtype) if v.ndim == 2 else v for name, v in weights.items()}


def times(x: Any, m: Any) -> Any:
    """x m with x rounded to the dtype of m, summed and returned in that of x."""
    import jax.numpy as jnp

    return jnp.matmul(x.astype(m.dtype), m, preferred_element_type=x.dtype)


def outer(d: Any, rows: Any, dtype: str) -> Any:
    """Σ over rows of row dᵀ: one product. Where rows are narrow the barrier lays them out
    transposed in memory, which XLA's product on the CPU is much faster with than if it has to
    transpose by itself; where they are wide the copy costs more than it saves."""
    from jax import lax

    turned = rows.T
    if len(turned) < NARROW:
        turned = lax.optimization_barrier(turned)
    return times(turned, d.astype(dtype))


def parted(of_h: Any, of_inputs: Any) -> dict[str, Any]:
    """The derivatives of the weights of h, and of x and 1, from those products. Turned before they
    are cut, XLA would turn the rows instead."""
    return {"u": of_h.T, "w": of_inputs[:-1].T, "b": of_inputs[-1]}
