"""A model made of Keras' layers: what it computes, as functions of tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from backends._keras.decoder import generate, teacher_forcing
from backends._keras.layers import build_readout, build_stack, feedforward_scan, keras_scan
from backends._keras.losses import LOSSES
from backends._keras.options import LayerOptions
from backends._keras.weights import to_keras
from bench.spec import CELLS, ModelSpec, Params


class Network:
    """The layers, the decoder and the readout of a model.

    `variables` are Keras' variables in the order of `backends._keras.weights.to_keras`. The final
    states of a stack are a list over the directions of its layers, each [h] or, for the lstm,
    [h, c], all `(batch, hidden)`.
    """

    def __init__(self, spec: ModelSpec, params: Params, options: LayerOptions) -> None:
        self.spec, self._scan = spec, options.scan or keras_scan
        self.layers = build_stack(spec, options)
        self.decoder = build_stack(spec.decoding, options) if spec.decoder else []
        self.readout = build_readout(spec)
        directions = [d for layer in (*self.layers, *self.decoder) for d in layer]
        self.variables = [v for d in (*directions, self.readout) for v in d.trainable_variables]
        self.assign(params)
        ones = {name: np.ones(np.shape(value), spec.storage) for name, value in params.items()}
        self._is_trained = to_keras(spec, ones)

    def assign(self, params: Params) -> None:
        """Set the variables to these canonical weights."""
        for variable, value in zip(self.variables, to_keras(self.spec, params), strict=True):
            variable.assign(np.asarray(value, self.spec.storage))

    def without_untrained(self, arrays: Sequence[Any]) -> list[Any]:
        """Weights or gradients in the order of `variables`, with zeros where the model has no
        weight: in the second bias of r and z, which Keras has and the model has not."""
        pairs = zip(arrays, self._is_trained, strict=False)
        return [array if ones.all() else array * ones for array, ones in pairs]

    def predictions(self, x: Any, lengths: Any = None, initial: Any = None) -> Any:
        """The readout; a decoder reads its own outputs."""
        return self.advance(x, lengths, initial)[0]

    def advance(self, x: Any, lengths: Any = None, initial: Any = None) -> tuple[Any, Any]:
        """The readout, and the final states in the layout of `initial`."""
        h, final = self._encode(x, lengths, initial)
        output = self._decode(final) if self.spec.decoder else self._read(h)
        return output, self._stack_states(final)

    def hidden(self, x: Any, lengths: Any = None, initial: Any = None) -> Any:
        """The last layer's h at every step, `(batch, time, hidden × directions)`."""
        h, _ = self.run(self.layers, x, self.states(x, initial), lengths, every=True)
        return ops.cast(h, self.spec.storage)

    def loss(self, x: Any, y: Any, lengths: Any = None, perturbation: Any = None) -> Any:
        """The mean loss; a decoder is trained by teacher forcing.

        `perturbation`, zeros `(batch, time, hidden × directions)`, is added to the last layer's h
        inside the loop over time: the gradient of the loss by it is dL/dh_t.
        """
        h, final = self._encode(x, lengths, None, perturbation)
        if self.spec.decoder:
            h, _ = self.run(self.decoder, teacher_forcing(self.spec, y), final, every=True)
        return LOSSES[self.spec.loss](self._read(h), y)

    def run(
        self,
        stack: list[list[Any]],
        x: Any,
        initial: list[Any],
        lengths: Any = None,
        perturbation: Any = None,
        *,
        every: bool,
    ) -> tuple[Any, list[Any]]:
        """Run a stack of layers from the initial states of each of its directions.

        Returns the top layer's h, of every step `(batch, time, hidden × directions)` or each
        direction's final one `(batch, hidden × directions)`, and the final states.
        """
        mask = None if lengths is None else _sequence_mask(lengths, x.shape[1])
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        final: list[Any] = []
        for layer in stack:
            top = layer is stack[-1]
            runs = self._run_layer(
                layer,
                x,
                initial[len(final) :],
                mask,
                perturbation if top else None,
                every or not top,
            )
            final += [states for _, states in runs]
            x = ops.concatenate([h for h, _ in runs], -1) if len(runs) > 1 else runs[0][0]
        return x, final

    def states(self, x: Any, initial: Any) -> list[Any]:
        """The initial states of each direction of each layer; zeros where `initial` is None."""
        count = self.spec.layers * self.spec.directions
        if initial is None:
            zeros = ops.zeros((x.shape[0], self.spec.hidden), self.spec.storage)
            return [[zeros] * len(CELLS[self.spec.cell].states)] * count
        arrays = initial if isinstance(initial, tuple | list) else (initial,)
        if count == 1:  # a cheaper operation than a slice
            return [[ops.squeeze(array, 0) for array in arrays]]
        return [[array[k] for array in arrays] for k in range(count)]

    def _run_layer(
        self,
        layer: list[Any],
        x: Any,
        initial: list[Any],
        mask: Any,
        perturbation: Any,
        every: bool,
    ) -> list[tuple[Any, list[Any]]]:
        """h and the final states of each direction of a layer."""
        perturbations = [None] * len(layer)
        if perturbation is not None:
            perturbations = ops.split(perturbation, len(layer), -1)
        directions = zip(layer, (False, True), initial, perturbations, strict=False)
        return [self._run_direction(x, mask, every, *direction) for direction in directions]

    def _run_direction(
        self,
        x: Any,
        mask: Any,
        every: bool,
        layer: Any,
        backward: bool,
        initial: list[Any],
        perturbation: Any,
    ) -> tuple[Any, list[Any]]:
        """h in the order of time `(batch, time, hidden)`, or the final one, and the final states.

        The state is held beyond the end of a sequence.
        """
        if CELLS[self.spec.cell].recurrent:
            h, *final = self._scan(layer, x, initial, mask, perturbation, every)
            h = ops.flip(h, 1) if backward and every else h
        else:
            h, final = feedforward_scan(layer, x, mask, backward, perturbation)
        if not every:
            return final[0], final
        if mask is not None:  # Keras' loop and cuDNN leave zeros beyond the end
            edge = initial[0] if backward else final[0]
            h = ops.where(mask[..., None], h, ops.cast(edge, h.dtype)[:, None])
        return h, final

    def _encode(
        self, x: Any, lengths: Any, initial: Any, perturbation: Any = None
    ) -> tuple[Any, Any]:
        every = self.spec.readout == "every" and not self.spec.decoder
        states = self.states(x, initial)
        return self.run(self.layers, x, states, lengths, perturbation, every=every)

    def _decode(self, initial: list[Any]) -> Any:
        """The decoder's outputs `(batch, decoder, outputs)` from these states."""
        cells = [layer.cell for (layer,) in self.decoder]
        return generate(self.spec, cells, self.readout, initial)

    def _read(self, h: Any) -> Any:
        return ops.cast(self.readout(h), self.spec.storage)

    def _stack_states(self, final: list[Any]) -> Any:
        """h `(layers × directions, batch, hidden)` or, for the lstm, the pair (h, c)."""
        arrays = [
            ops.cast(
                ops.stack(list(states)) if len(states) > 1 else ops.expand_dims(states[0], 0),
                self.spec.storage,
            )
            for states in zip(*final, strict=True)
        ]
        return tuple(arrays) if len(arrays) > 1 else arrays[0]


def _sequence_mask(lengths: Any, time: int) -> Any:
    """`(batch, time)`, true where a step is real: before the end of its sequence."""
    return ops.arange(time, dtype="int32")[None] < ops.cast(lengths, "int32")[:, None]
