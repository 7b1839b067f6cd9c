"""Keras' layers of a model, and how one direction of one layer runs over a sequence.

Sequences are batch-major, `(batch, time, ·)`; a layer that goes backwards returns its states in
its own order of time, the last step first.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from backends._keras.options import LayerOptions
from bench.spec import CELLS, ModelSpec


def dtype_policy(spec: ModelSpec) -> str:
    """Keras' name for the model's dtype; its mixed policy keeps the variables in float32."""
    return "mixed_bfloat16" if spec.dtype == "bfloat16" else spec.dtype


def build_stack(spec: ModelSpec, options: LayerOptions) -> list[list[Any]]:
    """The built layers of a model: for each of them a list of its one or two directions."""
    stack, width = [], spec.inputs
    for _ in range(spec.layers):
        stack.append([_layer(spec, options, d == 1) for d in range(spec.directions)])
        for direction in stack[-1]:
            direction.build((None, None, width))
        width = spec.hidden * spec.directions
    return stack


def build_readout(spec: ModelSpec) -> Any:
    """The built linear readout."""
    dense = keras.layers.Dense(spec.outputs, kernel_initializer="zeros", dtype=dtype_policy(spec))
    dense.build((None, spec.hidden * spec.directions))
    return dense


def _layer(spec: ModelSpec, options: LayerOptions, backward: bool) -> Any:
    """One direction of one layer, with zeros for weights: none are drawn."""
    settings: dict[str, Any] = {"kernel_initializer": "zeros", "dtype": dtype_policy(spec)}
    if not CELLS[spec.cell].recurrent:
        return keras.layers.Dense(spec.hidden, activation="tanh", **settings)
    settings |= {"recurrent_initializer": "zeros", "go_backwards": backward, "return_state": True}
    # Without a seed Keras draws one from its global generator, though no layer here uses it.
    settings |= {"unroll": options.unroll, "seed": 0}
    if spec.cell == "rnn":
        return keras.layers.SimpleRNN(spec.hidden, **settings)
    settings["use_cudnn"] = "auto" if options.cudnn else False
    if spec.cell == "lstm":
        return keras.layers.LSTM(spec.hidden, **settings)
    return keras.layers.GRU(spec.hidden, reset_after=spec.gru == "reset_after", **settings)


def keras_scan(
    layer: Any, x: Any, initial: list[Any], mask: Any, perturbation: Any, every: bool
) -> tuple[Any, ...]:
    """Run one direction of one layer by Keras' own loop or cuDNN.

    Returns h, of every step `(batch, time, hidden)` in the layer's own order of time or the final
    one `(batch, hidden)`, then the final states. `initial` has the states at the start; `mask`
    `(batch, time)` is true where a step is real; `perturbation` `(batch, time, hidden)` is added
    to h inside the loop, so that its gradient is dL/dh_t.
    """
    if perturbation is not None:
        layer = _perturbed(layer, x.shape[-1])
        x = ops.concatenate([x, perturbation], -1)
    # A loop of one step costs several times what the step does. cuDNN has no such loop.
    if x.shape[1] == 1 and not getattr(layer, "use_cudnn", False):
        h, states = layer.cell(ops.squeeze(x, 1), initial)  # the mask is true: no sequence is empty
        return h[:, None] if every else h, *states
    # The layer reads this attribute while it is traced. The final state alone is cheaper.
    layer.return_sequences = every
    return tuple(layer(x, mask=mask, initial_state=initial))


def feedforward_scan(
    layer: Any, x: Any, mask: Any, backward: bool, perturbation: Any
) -> tuple[Any, list[Any]]:
    """h of every step `(batch, time, hidden)` in the order of time, and the final h in a list.

    The final h is that of step 0 backwards, and that of the last real step forwards.
    """
    h = layer(x)
    if perturbation is not None:
        h = h + ops.cast(perturbation, layer.compute_dtype)
    if backward:
        return h, [h[:, 0]]
    if mask is None:
        return h, [h[:, -1]]
    is_last = ops.logical_and(mask, ops.logical_not(ops.pad(mask[:, 1:], [[0, 0], [0, 1]])))
    return h, [ops.sum(h * ops.cast(is_last, h.dtype)[..., None], 1)]


@dataclass(frozen=True)
class PerturbedCell:
    """A Keras cell whose input carries, after `inputs` features, the term that is added to h."""

    cell: Any
    inputs: int
    state_size: Any
    output_size: int
    compute_dtype: str

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        h, (_, *other_states) = self.cell(inputs[:, : self.inputs], states)
        h = h + inputs[:, self.inputs :]
        return h, [h, *other_states]

    __call__ = call


def _perturbed(layer: Any, inputs: int) -> Any:
    """A layer that runs this layer's cell, and its weights, as a `PerturbedCell`."""
    cell = layer.cell
    perturbed = PerturbedCell(cell, inputs, cell.state_size, cell.output_size, cell.compute_dtype)
    return keras.layers.RNN(
        perturbed, go_backwards=layer.go_backwards, return_state=True, dtype=layer.dtype_policy
    )
