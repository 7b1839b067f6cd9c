"""The model: encoder, decoder, readout and loss around the layers of a backend."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import linear

from backends._torch.decoder import after_output, begin_token, teacher_forcing
from backends._torch.losses import loss_of
from backends._torch.stack import Slot, State, Weights, to_bfloat16
from bench.spec import ModelSpec

MakeLayers = Callable[[ModelSpec, Weights], Any]


class Network:
    """One model with its parameters. `slots` has the place of every canonical weight."""

    def __init__(self, spec: ModelSpec, make_layers: MakeLayers, weights: Weights) -> None:
        self.spec = spec
        self.encoder = make_layers(spec, _weights_of_stack(weights, ""))
        self.decoder: Any = None
        if spec.decoder:
            self.decoder = make_layers(spec.decoding, _weights_of_stack(weights, "decoder."))
        self.readout = tuple(Parameter(weights[f"readout.{name}"].clone()) for name in "wb")
        self.slots = self._slots()

    def predict(self, x: Tensor, lengths: Any = None, state: State | None = None) -> Tensor:
        states, final = self.encode(x, lengths, state)
        if self.decoder is None:
            return self.read_out(self.features(states, final))
        return self._generate(final)

    def loss(self, x: Tensor, y: Tensor, lengths: Any = None) -> Tensor:
        return self.loss_of_states(*self.encode(x, lengths), y)

    def encode(
        self, x: Tensor, lengths: Any = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """The encoder's states of every step, and its final state."""
        if lengths is not None:
            lengths = torch.as_tensor(lengths).cpu()
        return self.encoder(x, state, lengths)

    def loss_of_states(self, states: Tensor, final: State, y: Tensor) -> Tensor:
        """The loss from the encoder's states; a decoder is trained by teacher forcing."""
        if self.decoder is None:
            prediction = self.read_out(self.features(states, final))
        else:
            inputs = teacher_forcing(self.spec, y, self.readout[0])
            prediction = self.read_out(self.decoder(inputs, final)[0])
        return loss_of(self.spec, prediction, y)

    def features(self, states: Tensor, final: State) -> Tensor:
        """What the readout reads: all states, or each direction's own final one."""
        if self.spec.readout == "every":
            return states
        h = final[0]
        return torch.cat((h[-2], h[-1]), dim=1) if self.spec.bidirectional else h[-1]

    def read_out(self, features: Tensor) -> Tensor:
        if self.spec.dtype == "bfloat16":
            return linear(features, *to_bfloat16(self.readout)).to(self.readout[0].dtype)
        return linear(features, *self.readout)

    def _generate(self, state: State) -> Tensor:
        """The decoder's outputs `(B, decoder, outputs)`, where each output is the next input."""
        inputs = begin_token(self.spec, 1, state[0].shape[1], self.readout[0])
        outputs = []
        for _ in range(self.spec.decoder):
            states, state = self.decoder(inputs, state)
            outputs.append(self.read_out(states))
            inputs = after_output(self.spec, outputs[-1])
        return torch.cat(outputs, dim=1)

    def _slots(self) -> list[Slot]:
        of_decoder = self.decoder.slots if self.decoder else []
        return [
            *self.encoder.slots,
            *((name and f"decoder.{name}", p, index) for name, p, index in of_decoder),
            *((f"readout.{name}", p, ...) for name, p in zip("wb", self.readout, strict=True)),
        ]


def _weights_of_stack(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The weights of the encoder's or the decoder's layers, by their names within it."""
    start = prefix + "layers."
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(start)}
