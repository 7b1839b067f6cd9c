"""A model of a few steps in TensorFlow, and its conversion for LiteRT.

The steps are written out one after the other: LiteRT's loop copies all that it carries at every
step.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from bench.spec import CELLS, ModelSpec, Params

Weights = Mapping[str, Any]
State = tuple[Any, ...]


def model_bytes(
    spec: ModelSpec, weights: Params, output: str, batch: int, steps: int, masked: bool
) -> bytes:
    """The converted model of so many steps.

    It reads `x` `(batch, steps, inputs)`, the states `h` and, for the lstm, `c`
    `(layers, batch, hidden)`, and `mask` `(batch, steps, 1)` if it is masked: true where a step is
    real. It returns the output, then the states after the last step. The output is the `readout`,
    or the last layer's `states` `(batch, steps, hidden)`.
    """

    @tf.function(autograph=False)
    def model(x: Any, *others: Any) -> tuple[Any, ...]:
        *initial, mask = others if masked else (*others, None)
        top, final = _run(spec, weights, x, mask, initial)
        return _stack(top, 1) if output == "states" else _read(spec, weights, top), *final

    state = (spec.layers, batch, spec.hidden)
    specs = [tf.TensorSpec((batch, steps, spec.inputs), name="x")]
    specs += [tf.TensorSpec(state, name=name) for name in CELLS[spec.cell].states]
    specs += [tf.TensorSpec((batch, steps, 1), tf.bool, name="mask")] * masked
    concrete = model.get_concrete_function(*specs)
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], model).convert())


def _run(
    spec: ModelSpec, weights: Params, x: Any, mask: Any, initial: list[Any]
) -> tuple[list[Any], list[Any]]:
    """The last layer's h after each step, and the final states of all layers."""
    below, final = _unstack(x, 1), []
    real = [None] * len(below) if mask is None else _unstack(mask, 1)
    initial_by_layer = zip(*(_unstack(array, 0) for array in initial), strict=True)
    for layer, state in enumerate(initial_by_layer):
        cell, hidden = _cell(spec, weights, f"layers.{layer}.forward."), []
        for x_t, is_real in zip(below, real, strict=True):
            after = cell(x_t, *state)
            if is_real is not None:
                after = tuple(tf.where(is_real, a, s) for a, s in zip(after, state, strict=True))
            state = after
            hidden.append(state[0])
        below = hidden
        final.append(state)
    return below, [_stack(states, 0) for states in zip(*final, strict=True)]


def _read(spec: ModelSpec, weights: Params, hidden: list[Any]) -> Any:
    """The readout of the last h `(batch, outputs)`, or of every h `(batch, steps, outputs)`."""
    w, b = weights["readout.w"].T, weights["readout.b"]
    if spec.readout == "last":
        return tf.matmul(hidden[-1], w) + b
    return _stack([tf.matmul(h, w) + b for h in hidden], 1)


def _unstack(array: Any, axis: int) -> list[Any]:
    """The slices along an axis. A single one is a reshape, which XNNPACK has; it has no unpack."""
    if array.shape[axis] > 1:
        return list(tf.unstack(array, axis=axis))
    return [tf.squeeze(array, axis)]


def _stack(arrays: Sequence[Any], axis: int) -> Any:
    """`_unstack` undone."""
    return tf.stack(arrays, axis) if len(arrays) > 1 else tf.expand_dims(arrays[0], axis)


# ---- the cells ----------------------------------------------------------------------------------


def _cell(spec: ModelSpec, weights: Params, prefix: str) -> Callable[..., State]:
    """The function of x and the state `(batch, ·)` of one layer that returns the next state."""
    names = (name for name in weights if name.startswith(prefix))
    layer = {name.removeprefix(prefix): weights[name] for name in names}
    cell = CELL_OF[spec.gru if spec.cell == "gru" else spec.cell]
    return lambda x, *state: cell(layer, x, *state)


def _joined(layer: Weights, x: Any, h: Any, rows: slice = slice(None)) -> Any:
    """W x + U h + b, or some of its rows, as one product."""
    matrix = tf.concat([layer["w"][rows].T, layer["u"][rows].T], 0)
    return tf.matmul(tf.concat([x, h], 1), matrix) + layer["b"][rows]


def _feedforward(layer: Weights, x: Any, h: Any) -> State:
    """h' = tanh(W x + b)."""
    return (tf.tanh(tf.matmul(x, layer["w"].T) + layer["b"]),)


def _rnn(layer: Weights, x: Any, h: Any) -> State:
    """h' = tanh(W x + U h + b)."""
    return (tf.tanh(_joined(layer, x, h)),)


def _lstm(layer: Weights, x: Any, h: Any, c: Any) -> State:
    """c' = f∘c + i∘g, h' = o∘tanh(c')."""
    i, f, g, o = tf.split(_joined(layer, x, h), 4, 1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def _gru_reset_after(layer: Weights, x: Any, h: Any) -> State:
    """h' = (1 − z)∘n + z∘h, n = tanh(W_n x + b_n + r∘(U_n h + b_hn))."""
    size = h.shape[1]
    r, z = tf.split(tf.sigmoid(_joined(layer, x, h, slice(2 * size))), 2, 1)
    inner = tf.matmul(h, layer["u"][2 * size :].T) + layer["b_hn"]
    a_n = tf.matmul(x, layer["w"][2 * size :].T) + layer["b"][2 * size :]
    n = tf.tanh(a_n + r * inner)
    return (n + z * (h - n),)


def _gru_reset_before(layer: Weights, x: Any, h: Any) -> State:
    """h' = (1 − z)∘n + z∘h, n = tanh(W_n x + b_n + U_n (r∘h))."""
    size = h.shape[1]
    r, z = tf.split(tf.sigmoid(_joined(layer, x, h, slice(2 * size))), 2, 1)
    n = tf.tanh(_joined(layer, x, r * h, slice(2 * size, None)))
    return (n + z * (h - n),)


CELL_OF: Mapping[str, Callable[..., State]] = {
    "feedforward": _feedforward,
    "rnn": _rnn,
    "lstm": _lstm,
    "reset_after": _gru_reset_after,
    "reset_before": _gru_reset_before,
}
