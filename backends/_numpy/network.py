"""The model, forward and backward: encoder, decoder, readout and loss."""

from typing import Any

import numpy as np

from backends._numpy.cells import PASSES
from backends._numpy.decoder import after_output, begin_token, teacher_forcing
from backends._numpy.direction import Direction
from backends._numpy.losses import LOSSES
from backends._numpy.parameters import FlatParameters, reset_before
from backends._numpy.products import Product
from backends._numpy.stack import (
    BackwardPass,
    ForwardPass,
    Layers,
    States,
    TakeProduct,
    initial_states,
    run_backward,
    run_forward,
)
from backends._numpy.workspace import Workspace
from bench.spec import Array, ModelSpec


class Network:
    """The layers and the readout of one model, which read its weights."""

    def __init__(self, spec: ModelSpec, weights: FlatParameters) -> None:
        self.spec, self.weights, self.dtype = spec, weights, np.dtype(spec.dtype)
        self.scratch = Workspace(self.dtype)
        self.encoder = self._layers(spec, "")
        self.decoder = self._layers(spec.decoding, "decoder.") if spec.decoder else []

    def put(self, array: Any) -> Array:
        """The array in the model's dtype; integers stay integers."""
        array = np.asarray(array)
        return array if array.dtype.kind in "iub" else np.asarray(array, self.dtype)

    def encode(self, x: Any, lengths: Any = None, initial_state: Any = None) -> ForwardPass:
        """Run the layers over x `(B, T, inputs)`."""
        x = self.put(x)
        batch, time, size = x.shape
        inputs = self.scratch("x", time, batch, size + 1)
        inputs[:, :, :-1], inputs[:, :, -1] = x.swapaxes(0, 1), 1
        inputs = inputs.swapaxes(1, 2)
        if (padding := _padding(lengths, time)) is not None:
            np.copyto(inputs[:, :-1], 0, where=padding)  # NaN times zero would be NaN
        states = initial_states(self.spec, initial_state, batch, self.dtype)
        return run_forward(self.encoder, inputs, states, padding)

    def decode(self, states: States, y: Array) -> ForwardPass:
        """Run the decoder from the encoder's final states with teacher forcing."""
        return run_forward(self.decoder, teacher_forcing(self.spec, y), states, None)

    def generate(self, states: States) -> Array:
        """The decoder's outputs `(B, decoder, outputs)` from the encoder's final states, where
        each output is the next input."""
        inputs = begin_token(self.spec, 1, states[0][0].shape[1])
        outputs = []
        for _ in range(self.spec.decoder):
            decoded = run_forward(self.decoder, inputs, states, None)
            outputs.append(self.read_out(decoded)[1][:, 0])
            inputs, states = after_output(self.spec, outputs[-1]), decoded.final_states
        return np.stack(outputs, axis=1)

    def read_out(self, run: ForwardPass) -> tuple[Array, Array]:
        """The features that the readout reads, `(n, H × directions + 1, B)` with a last row of
        ones, and the prediction, `(B, outputs)` or `(B, T, outputs)`."""
        if self.spec.readout == "every":
            features = run.top
        else:
            final = [h for h, *_ in run.final_states[-self.spec.directions :]]
            features = np.concatenate([*final, np.ones_like(final[0][:1])])[None]
        logits = np.matmul(features.swapaxes(1, 2), self.weights.arrays["readout.w"].T)
        return features, logits.swapaxes(0, 1) if self.spec.readout == "every" else logits[0]

    def backward(
        self,
        x: Any,
        y: Any,
        lengths: Any,
        take_product: TakeProduct,
        need_input: bool = False,
    ) -> tuple[float, BackwardPass]:
        """The loss, and its derivatives with respect to the encoder's states and, if needed, x.
        The operands of each weight gradient go to `take_product`."""
        encoded, y = self.encode(x, lengths), np.asarray(y)
        if not self.spec.decoder:
            loss, d_top, d_finals = self._read_out_backward(encoded, y, take_product)
            return loss, run_backward(encoded, d_top, d_finals, need_input, take_product)
        decoded = self.decode(encoded.final_states, y)
        loss, d_top, d_finals = self._read_out_backward(decoded, y, take_product)
        d_finals = run_backward(decoded, d_top, d_finals, False, take_product).initial_states
        return loss, run_backward(encoded, None, d_finals, need_input, take_product)

    def _read_out_backward(
        self, run: ForwardPass, y: Array, take_product: TakeProduct
    ) -> tuple[float, Array | None, list[Any]]:
        """The loss, and its derivatives with respect to the last layer's states of every step, or
        to the final states of each direction."""
        features, prediction = self.read_out(run)
        loss, d_logits = LOSSES[self.spec.loss](prediction, y)
        every, w = self.spec.readout == "every", self.weights.arrays["readout.w"]
        d_logits = d_logits.transpose(1, 2, 0) if every else d_logits.T[None]
        take_product(Product("readout.w", d_logits.swapaxes(0, 1), features))
        d_features = np.matmul(w[:, :-1].T, d_logits)
        if every:
            return loss, d_features, [()] * len(run.final_states)
        last = [(d,) for d in np.split(d_features[0], self.spec.directions)]
        return loss, None, [()] * (len(run.final_states) - len(last)) + last

    def _layers(self, spec: ModelSpec, prefix: str) -> Layers:
        return [
            [
                self._direction(f"{prefix}layers.{layer}.{name}.", reverse=name == "backward")
                for name in ("forward", "backward")[: spec.directions]
            ]
            for layer in range(spec.layers)
        ]

    def _direction(self, prefix: str, reverse: bool) -> Direction:
        cell = PASSES["gru_reset_before" if reset_before(self.spec) else self.spec.cell]
        weights, buffers = self.weights.with_prefix(prefix), Workspace(self.dtype)
        return Direction(prefix, cell, reverse, weights, buffers, self.scratch)


def _padding(lengths: Any, time: int) -> Array | None:
    """`(T, 1, B)`, true beyond the end of each sequence; None where all are full."""
    if lengths is None:
        return None
    padding = np.arange(time)[:, None, None] >= np.asarray(lengths)
    return padding if padding.any() else None
