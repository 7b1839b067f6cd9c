"""The two passes over a stack of layers, in one direction or both."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backends._numpy.direction import Direction, Tape
from backends._numpy.products import Product
from bench.spec import CELLS, Array, ModelSpec

Layers = list[list[Direction]]
States = list[tuple[Array, ...]]
"""A state for each direction of each layer: h `(H, B)`, and c where the cell has one."""

TakeProduct = Callable[[Product], None]
"""Takes the operands of a weight gradient before the next product overwrites them."""


class ForwardPass(NamedTuple):
    """The inputs `(T, D + 1, B)` of each layer, which end with a row of ones for the bias, and its
    directions with their tapes. `padding` is as in `steps.py`."""

    inputs: list[Array]
    tapes: list[list[tuple[Direction, Tape]]]
    padding: Array | None

    @property
    def top(self) -> Array:
        """The last layer's states `(T, H × directions + 1, B)`, and a row of ones."""
        return _joined_states(self.tapes[-1])

    @property
    def final_states(self) -> States:
        return [tape.final for layer in self.tapes for _, tape in layer]


class BackwardPass(NamedTuple):
    """dL/dx `(T, D, B)`, dL/dh `(T, H, B)` of the last layer's directions, and the derivatives of
    the initial states."""

    inputs: Any
    top: list[Array]
    initial_states: States


def initial_states(spec: ModelSpec, state: Any, batch: int, dtype: Any) -> States:
    """The initial states, zero where none is given, in the order in which the stack uses them."""
    count = spec.layers * spec.directions
    if state is None:
        state = ()
    elif not isinstance(state, tuple | list):
        state = (state,)
    arrays = [np.asarray(array, dtype).swapaxes(1, 2) for array in state]
    while len(arrays) < len(CELLS[spec.cell].states):
        arrays.append(np.zeros((count, spec.hidden, batch), dtype))
    return [tuple(array[k] for array in arrays) for k in range(count)]


def run_forward(
    layers: Layers, inputs: Array, states: States, padding: Array | None
) -> ForwardPass:
    """Run all steps of all layers over inputs `(T, D + 1, B)`."""
    layer_inputs, tapes, initial = [inputs], list[list[tuple[Direction, Tape]]](), iter(states)
    for layer in layers:
        if tapes:
            layer_inputs.append(_joined_states(tapes[-1]))
        below = layer_inputs[-1]
        tapes.append([(d, _forward(d, below, next(initial), padding)) for d in layer])
    return ForwardPass(layer_inputs, tapes, padding)


def _forward(
    direction: Direction, inputs: Array, state: tuple[Array, ...], padding: Array | None
) -> Tape:
    w = direction.weights["w"]
    preactivations = direction.buffers("preactivations", len(inputs), len(w), inputs.shape[2])
    np.matmul(w, _in_time(direction, inputs), out=preactivations)
    with np.errstate(over="ignore"):  # σ of a large negative number: see `steps.sigmoid`
        return direction.cell.forward(
            direction, preactivations, state, _in_time(direction, padding)
        )


def _joined_states(layer: list[tuple[Direction, Tape]]) -> Array:
    """The states of both directions and a row of ones, in the sequence's order of time."""
    time, size, batch = layer[0][1].hidden[1:].shape
    joined = layer[0][0].buffers("joined states", time, size * len(layer) + 1, batch)
    for k, (direction, tape) in enumerate(layer):
        joined[:, k * size : (k + 1) * size] = _in_time(direction, tape.hidden[1:])
    joined[:, -1] = 1
    return joined


def run_backward(
    forward: ForwardPass,
    d_top: Array | None,
    d_final_states: States,
    need_input: bool,
    take_product: TakeProduct,
) -> BackwardPass:
    """Run all steps of all layers in reverse.

    `d_top` `(T, H × directions, B)` is the derivative of the last layer's states, `d_final_states`
    that of each final state, an empty tuple where there is none. The operands of each weight
    gradient go to `take_product`.
    """
    d_output, top, initial = d_top, list[Array](), States()
    for k in reversed(range(len(forward.tapes))):
        layer, inputs = forward.tapes[k], forward.inputs[k]
        count, need_below = len(layer), need_input or k > 0
        d_outputs = [None] * count if d_output is None else np.split(d_output, count, axis=1)
        d_finals = d_final_states[k * count : (k + 1) * count]
        passes = [
            _backward(*entry, inputs, d, d_final, forward.padding, need_below, take_product)
            for entry, d, d_final in zip(layer, d_outputs, d_finals, strict=True)
        ]
        top = top or [direction.top[0] for direction in passes]
        d_output = sum((p.inputs for p in passes[1:]), passes[0].inputs) if need_below else None
        initial = [direction.initial_states[0] for direction in passes] + initial
    return BackwardPass(d_output, top, initial)


def _backward(
    direction: Direction,
    tape: Tape,
    inputs: Array,
    d_output: Array | None,
    d_final: tuple[Array, ...],
    padding: Array | None,
    need_input: bool,
    take_product: TakeProduct,
) -> BackwardPass:
    d_hidden = direction.buffers("d_hidden", *tape.hidden.shape)
    d_hidden[0], d_hidden[1:] = 0, 0 if d_output is None else _in_time(direction, d_output)
    if d_final:
        d_hidden[-1] += d_final[0]
    d_cell_state = None if tape.cell_states is None else np.zeros_like(d_hidden[0])
    if d_cell_state is not None and len(d_final) > 1:
        d_cell_state += d_final[1]
    padding = _in_time(direction, padding)
    da, products = direction.cell.backward(direction, tape, d_hidden, d_cell_state, padding)
    w_product = Product(direction.prefix + "w", da, _in_time(direction, inputs))
    for product in (*products, w_product):
        take_product(product)
    d_inputs = _input_derivative(direction, da, inputs) if need_input else None
    d_initial = (d_hidden[0],) if d_cell_state is None else (d_hidden[0], d_cell_state)
    return BackwardPass(d_inputs, [_in_time(direction, d_hidden[1:])], [d_initial])


def _input_derivative(direction: Direction, da: Array, inputs: Array) -> Array:
    """Wᵀ da of every step, without the bias' column."""
    time, size, batch = inputs.shape
    d_inputs = direction.buffers("d_inputs", time, size - 1, batch)
    np.matmul(direction.weights["w"][:, :-1].T, da.swapaxes(0, 1), out=d_inputs)
    return _in_time(direction, d_inputs)


def _in_time(direction: Direction, array: Any) -> Any:
    """The array in the direction's own order of time, or back again."""
    return array[::-1] if direction.reverse and array is not None else array
