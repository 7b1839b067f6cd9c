"""TensorFlow's own operations: each cell and its backward pass written out in a tf.while_loop.

Inside, sequences are time-major `(time, batch, ·)`. The product of all inputs with their weights
stands before the loop, which is left with the product with the state. The backward loop carries
dL/dh (for the lstm dL/dc too) alone: its factors are made before it, and after it each weight
gradient by one product, for all steps at once (Werbos 1990). Weights lie as Keras lays them out,
and Keras' optimiser moves them; a decoder that reads what it wrote steps through Keras' cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backends._keras import Choices
from backends._tensorflow import (
    TensorFlowSession,
    devices,
    peak_memory,
    reset_peak_memory,
    settings,
    tensorflow,
    unavailable,
)
from bench.spec import DTYPES, ModelSpec, Params, Supports, Training

__all__ = [
    "REQUIRES",
    "SUPPORTS",
    "devices",
    "expected_path",
    "open_session",
    "peak_memory",
    "reset_peak_memory",
    "settings",
    "unavailable",
]

REQUIRES = ("tensorflow", "keras")
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "matmul" if spec.cell == "feedforward" else "while_loop"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> TensorFlowSession:
    SUPPORTS.check(spec)
    return TensorFlowSession(spec, params, device, training, Choices(recur=written_out))


def written_out(
    layer: Any, x: Any, start: list[Any], mask: Any, nudge: Any, every: bool
) -> tuple[Any, ...]:
    """See `backends._keras.through_keras`, in whose place this stands."""
    tf, own = tensorflow(), layer.cell
    kind = own.compute_dtype

    def in_time(value: Any) -> Any:
        value = tf.transpose(value, [1, 0, 2])
        return tf.reverse(value, [0]) if layer.go_backwards else value

    w, u, b = (tf.cast(v.value, kind) for v in (own.kernel, own.recurrent_kernel, own.bias))
    cell = _CELLS[type(own).__name__, getattr(own, "reset_after", False)]
    first, *second = tf.unstack(b) if b.shape.rank == 2 else [b]
    a = tf.tensordot(in_time(tf.cast(x, kind)), w, 1) + first
    keep = None if mask is None else in_time(mask[..., None])
    push = None if nudge is None else in_time(tf.cast(nudge, kind))
    states = [tf.cast(state, kind) for state in start]
    h, *final = _recur(cell, a, [*cell.parts(u), *second], states, keep, push, every)
    return tf.transpose(h, [1, 0, 2]) if every else h, *final


# ---- the loop --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One step and its derivative, on `(batch, ·)`.

    `step(a, weights, states)` gives the new states and what else is kept, whose widths in units
    of hidden are `keeps`. `factors(kept, before, after)`, from all steps at once, gives what
    `back(factors, transposed weights, d_states)` reads: it returns the derivative of what the
    product with the state gave, and dL/d(states) one step earlier. `gradients`, from all of the
    former, all dL/dh, the factors and h one step earlier, gives dL/da and the weights' own.
    """

    step: Callable[..., Any]
    factors: Callable[..., Any]
    back: Callable[..., Any]
    gradients: Callable[..., Any]
    keeps: tuple[int, ...] = ()
    parts: Callable[[Any], list[Any]] = lambda u: [u]


def _recur(
    cell: Cell, a: Any, weights: list[Any], start: list[Any], keep: Any, push: Any, every: bool
) -> Any:
    """h `(time, batch, hidden)`, or the final one, and the final states; `keep` is false beyond
    the end of a sequence, and `push` is added to h."""
    tf = tensorflow()

    @tf.custom_gradient
    def run(a: Any, pushed: Any, weights: list[Any], start: list[Any]) -> tuple[Any, Any]:
        after, kept = _forward(cell, a, weights, start, keep, None if push is None else pushed)
        final = [state[-1] for state in after]

        def grad(*d: Any) -> list[Any]:
            before = [tf.concat([s[None], t[:-1]], 0) for s, t in zip(start, after, strict=True)]
            factors = cell.factors(kept, before, after)
            above, d_final = (d[0], d[1:]) if every else (None, d)
            d_product, dh, d_start = _backward(
                cell, factors, weights, a.shape[-1], above, d_final, keep
            )
            live = dh if keep is None else tf.where(keep, dh, tf.zeros_like(dh))
            da, *d_weights = cell.gradients(d_product, live, factors, before[0])
            return [da, None if push is None else dh, *d_weights, *d_start]

        return (after[0], *final) if every else tuple(final), grad

    found = run(a, tf.zeros((), a.dtype) if push is None else push, weights, start)
    return found if every else (found[0], *found)


def _forward(
    cell: Cell, a: Any, weights: list[Any], start: list[Any], keep: Any, push: Any
) -> tuple[list[Any], list[Any]]:
    """The states after every step, and what else the cell keeps of it."""
    tf, hidden = tensorflow(), start[0].shape[-1]
    inputs, live, pushes = (_reader(v) for v in (a, keep, push))

    def step(t: Any, states: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        (h, *others), kept = cell.step(inputs(t), weights, states)
        new = [h if push is None else h + pushes(t), *others]
        if keep is not None:
            new = [tf.where(live(t), n, s) for n, s in zip(new, states, strict=True)]
        return new, [*new, *kept]

    widths = [hidden] * len(start) + [hidden * width for width in cell.keeps]
    _, arrays = _loop(range(a.shape[0]), step, start, widths)
    return arrays[: len(start)], arrays[len(start) :]


def _backward(
    cell: Cell,
    factors: list[Any],
    weights: list[Any],
    width: int,
    above: Any,
    d_final: Sequence[Any],
    keep: Any,
) -> tuple[Any, Any, list[Any]]:
    """Of all steps the derivative of the product with the state and dL/dh; dL/d(start)."""
    tf = tensorflow()
    readers = [_reader(factor) for factor in factors]
    arriving, live = _reader(above), _reader(keep)
    transposed = [tf.transpose(w) for w in weights]

    def step(t: Any, states: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        dh, *others = states
        dh = dh if above is None else dh + arriving(t)
        whole = [dh, *others]
        part = whole if keep is None else [tf.where(live(t), d, 0 * d) for d in whole]
        d, new = cell.back([read(t) for read in readers], transposed, part)
        if keep is not None:
            new = [n + (w - p) for n, w, p in zip(new, whole, part, strict=True)]
        return new, [d, dh]

    times, hidden = range(factors[0].shape[0])[::-1], d_final[0].shape[-1]
    d_start, (d, dh) = _loop(times, step, d_final, [width, hidden])
    return d, dh, d_start


def _loop(
    times: range, step: Callable[..., Any], start: Sequence[Any], widths: Sequence[int]
) -> tuple[list[Any], list[Any]]:
    """The states at the end, and of all steps the arrays `(time, batch, width)` that
    `step(t, states)` gives beside the new states."""
    tf = tensorflow()
    batch, kind, count = start[0].shape[0], start[0].dtype, len(start)
    arrays = [tf.TensorArray(kind, len(times), element_shape=(batch, width)) for width in widths]

    def body(t: Any, *loop: Any) -> tuple[Any, ...]:
        states, rows = step(t, loop[:count])
        written = [array.write(t, row) for array, row in zip(loop[count:], rows, strict=True)]
        return t + times.step, *states, *written

    _, *end = tf.while_loop(
        lambda t, *_: tf.logical_and(t >= 0, t < len(times)),
        body,
        (tf.constant(times[0]), *start, *arrays),
        maximum_iterations=len(times),
    )
    return end[:count], [array.stack() for array in end[count:]]


def _reader(values: Any) -> Callable[[Any], Any]:
    """The row of a step, from the rows of all steps."""
    tf = tensorflow()
    if values is None:
        return lambda t: None
    return (
        tf.TensorArray(values.dtype, values.shape[0], clear_after_read=False).unstack(values).read
    )


# ---- the cells -------------------------------------------------------------------------------


def _outer(h: Any, d: Any) -> Any:
    """The sum over all steps and sequences of h dᵀ."""
    return tensorflow().tensordot(h, d, [[0, 1], [0, 1]])


def _rnn_step(a: Any, weights: Any, states: Any) -> Any:
    (u,), (h,) = weights, states
    return [tensorflow().tanh(a + h @ u)], []


def _rnn_factors(kept: Any, before: Any, after: Any) -> Any:
    return [1 - after[0] ** 2]


def _rnn_back(factors: Any, weights: Any, d_states: Any) -> Any:
    (slope,), (ut,), (dh,) = factors, weights, d_states
    d = dh * slope
    return d, [d @ ut]


def _plain_gradients(d: Any, dh: Any, factors: Any, h: Any) -> Any:
    return [d, _outer(h, d)]


def _lstm_step(a: Any, weights: Any, states: Any) -> Any:
    tf = tensorflow()
    (u,), (h, c) = weights, states
    z = a + h @ u
    i, f, g, o = tf.split(z, 4, 1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return [tf.sigmoid(o) * tf.tanh(c), c], [z]


def _lstm_factors(kept: Any, before: Any, after: Any) -> Any:
    tf = tensorflow()
    i, f, g, o = tf.split(kept[0], 4, 2)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    squashed = tf.tanh(after[1])
    gates = [g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)]
    return [tf.concat(gates, 2), o * (1 - squashed * squashed), f]


def _lstm_back(factors: Any, weights: Any, d_states: Any) -> Any:
    (gates, into_c, f), (ut,), (dh, dc) = factors, weights, d_states
    dc = dc + dh * into_c
    d = gates * tensorflow().concat([dc, dc, dc, dh], 1)
    return d, [d @ ut, dc * f]


def _gru_step(a: Any, weights: Any, states: Any) -> Any:
    """Gates in Keras' order z, r, n; of the second bias Keras has those of z and r, zeros, too."""
    tf = tensorflow()
    (u, second), (h,) = weights, states
    size = h.shape[-1]
    (gates, n), (more, q) = (tf.split(v, [2 * size, size], 1) for v in (a, h @ u + second))
    gates = tf.sigmoid(gates + more)
    z, r = tf.split(gates, 2, 1)
    n = tf.tanh(n + r * q)
    return [n + z * (h - n)], [gates, n, q]


def _gru_factors(kept: Any, before: Any, after: Any) -> Any:
    tf = tensorflow()
    (gates, n, q), (h,) = kept, before
    z, r = tf.split(gates, 2, 2)
    into_n = (1 - z) * (1 - n * n)
    product = [(h - n) * z * (1 - z), into_n * q * r * (1 - r), into_n * r]
    return [tf.concat(product, 2), z, into_n]


def _gru_back(factors: Any, weights: Any, d_states: Any) -> Any:
    (product, z, _), (ut, _), (dh,) = factors, weights, d_states
    d = product * tensorflow().concat([dh, dh, dh], 1)
    return d, [d @ ut + dh * z]


def _gru_gradients(d: Any, dh: Any, factors: Any, h: Any) -> Any:
    tf = tensorflow()
    d_gates, _ = tf.split(d, [2 * h.shape[-1], h.shape[-1]], 2)
    return [tf.concat([d_gates, dh * factors[2]], 2), _outer(h, d), tf.reduce_sum(d, [0, 1])]


def _halves(u: Any) -> list[Any]:
    """Of the gru that resets before its product: the weights of z and r, and those of n."""
    size = u.shape[0]
    return [u[:, : 2 * size], u[:, 2 * size :]]


def _reset_before_step(a: Any, weights: Any, states: Any) -> Any:
    tf = tensorflow()
    (u, u_n), (h,) = weights, states
    size = h.shape[-1]
    gates, n = tf.split(a, [2 * size, size], 1)
    gates = tf.sigmoid(gates + h @ u)
    z, r = tf.split(gates, 2, 1)
    n = tf.tanh(n + (r * h) @ u_n)
    return [n + z * (h - n)], [gates, n]


def _reset_before_factors(kept: Any, before: Any, after: Any) -> Any:
    tf = tensorflow()
    (gates, n), (h,) = kept, before
    z, r = tf.split(gates, 2, 2)
    return [(h - n) * z * (1 - z), h * r * (1 - r), (1 - z) * (1 - n * n), z, r]


def _reset_before_back(factors: Any, weights: Any, d_states: Any) -> Any:
    (into_z, into_r, into_n, z, r), (ut, ut_n), (dh,) = factors, weights, d_states
    dn = dh * into_n
    d_reset = dn @ ut_n
    d = tensorflow().concat([dh * into_z, d_reset * into_r], 1)
    return tensorflow().concat([d, dn], 1), [d @ ut + d_reset * r + dh * z]


def _reset_before_gradients(d: Any, dh: Any, factors: Any, h: Any) -> Any:
    d_gates, dn = tensorflow().split(d, [2 * h.shape[-1], h.shape[-1]], 2)
    return [d, _outer(h, d_gates), _outer(factors[4] * h, dn)]


_CELLS = {
    ("SimpleRNNCell", False): Cell(_rnn_step, _rnn_factors, _rnn_back, _plain_gradients),
    ("LSTMCell", False): Cell(_lstm_step, _lstm_factors, _lstm_back, _plain_gradients, (4,)),
    ("GRUCell", True): Cell(_gru_step, _gru_factors, _gru_back, _gru_gradients, (2, 1, 1)),
    ("GRUCell", False): Cell(
        _reset_before_step,
        _reset_before_factors,
        _reset_before_back,
        _reset_before_gradients,
        (2, 1),
        _halves,
    ),
}
