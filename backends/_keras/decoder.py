"""The decoder: its inputs under teacher forcing, and its loop when it reads its own outputs.

At each step a decoder reads `outputs + 1` features: the previous target or output, and the begin
flag, which is one at the first step and zero after it.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from backends._keras.layers import dtype_policy
from bench.spec import CELLS, ModelSpec


def teacher_forcing(spec: ModelSpec, y: Any) -> Any:
    """The inputs in training, `(batch, decoder, outputs + 1)`: step t reads target t − 1.

    A missing target, −1 or NaN, is read as zeros.
    """
    if spec.loss == "cross_entropy":
        targets = ops.one_hot(y[:, :-1], spec.outputs, dtype=spec.storage)  # zeros for −1
    else:
        targets = ops.where(ops.isnan(y), ops.zeros_like(y), y)[:, :-1]
    previous = ops.pad(targets, [[0, 0], [1, 0], [0, 0]])
    return ops.concatenate([previous, _begin_flags(spec, y.shape[0])], -1)


def generate(spec: ModelSpec, cells: list[Any], readout: Any, initial: list[list[Any]]) -> Any:
    """The decoder's outputs `(batch, decoder, outputs)` from these states of its layers, where each
    output is the next input."""
    batch = initial[0][0].shape[0]
    first = ops.zeros((batch, spec.outputs), spec.storage)
    loop = keras.layers.RNN(
        _free_running_cell(spec, cells, readout), return_sequences=True, dtype=dtype_policy(spec)
    )
    states = [first, *(state for layer_states in initial for state in layer_states)]
    return ops.cast(loop(_begin_flags(spec, batch), initial_state=states), spec.storage)


@dataclass(frozen=True)
class FreeRunningCell:
    """A whole decoder as one Keras cell.

    It reads the begin flag. Its states are its previous output, then the states of each of its
    layers; its output is the readout. With `classes`, the previous output is read as one-hot of its
    largest element (the first, if several are), otherwise as it is.
    """

    cells: list[Any]
    readout: Any
    classes: int
    state_size: list[int]
    output_size: int
    compute_dtype: str

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        previous, *layer_states = states
        h, new_states = ops.concatenate([previous, inputs], -1), []
        count = len(layer_states) // len(self.cells)
        for k, cell in enumerate(self.cells):
            h, cell_states = cell(h, layer_states[k * count : (k + 1) * count])
            new_states += list(cell_states)
        output = self.readout(h)
        if self.classes:
            previous = ops.one_hot(ops.argmax(output, -1), self.classes, dtype=output.dtype)
        else:
            previous = output
        return output, [previous, *new_states]

    __call__ = call


def _free_running_cell(spec: ModelSpec, cells: list[Any], readout: Any) -> FreeRunningCell:
    count = spec.layers * len(CELLS[spec.cell].states)
    sizes = [spec.outputs] + [spec.hidden] * count
    classes = spec.outputs if spec.loss == "cross_entropy" else 0
    return FreeRunningCell(cells, readout, classes, sizes, spec.outputs, readout.compute_dtype)


def _begin_flags(spec: ModelSpec, batch: int) -> Any:
    """`(batch, decoder, 1)`: one at the first step, zero after it."""
    flags = np.zeros((batch, spec.decoder, 1), spec.storage)
    flags[:, 0] = 1
    return ops.convert_to_tensor(flags)
