"""Keras' layers as the layers of a PyTorch session, which holds their parameters."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
from torch.nn import Parameter

from backends._keras.stateless import build_layers, run_layers
from backends._keras.weights import variable_names
from bench.spec import ModelSpec


class Layers:
    """The layers of one stack. See `backends._torch` for `slots` and for the call.

    A parameter lies as Keras reads it, but for the kernels, which lie as the transposes of
    Keras': their rows are then rows of w and u, in Keras' order of the gates.
    """

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Any]) -> None:
        self.spec = replace(spec, decoder=0)
        self.device = str(next(iter(weights.values())).device)
        self.parameters: list[tuple[Any, bool]] = []
        """For each of Keras' variables its parameter, and whether Keras reads the transpose."""
        self.slots: list[tuple[str, Any, Any]] = []
        with keras.device(self.device):
            self.network = build_layers(spec, weights, cudnn=True)
        for name in variable_names(self.spec):
            self._add(name, weights)
        for name, parameter, rows in self.slots:
            parameter.data[rows] = weights[name] if name else 0

    def __call__(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        arrays = [p.T if transposed else p for p, transposed in self.parameters]
        with keras.device(self.device):
            return run_layers(self.network, arrays, x, lengths, state)

    def _add(self, name: str, weights: Mapping[str, Any]) -> None:
        """Add the parameter of one Keras variable and the slots of the weights that lie in it."""
        weight, rows, gates = weights[name], _gate_rows(self.spec), 2 * self.spec.hidden
        is_bias = name.endswith(".b")
        if f"{name}_hn" not in weights:
            parameter = Parameter(weight.new_zeros(weight.shape))
            self.slots.append((name, parameter, rows))
        else:
            parameter = Parameter(weight.new_zeros((2, *weight.shape)))
            self.slots.append((name, parameter, (0, rows)))
            self.slots.append((f"{name}_hn", parameter, (1, slice(gates, None))))
            # The second bias of z and r, which the model has not: it stays zero.
            self.slots.append(("", parameter, (1, slice(0, gates))))
        self.parameters.append((parameter, not is_bias))


def _gate_rows(spec: ModelSpec) -> Any:
    """The index of the canonical rows among Keras': for the gru r, z, n among z, r, n."""
    if spec.cell != "gru":
        return ...
    size = spec.hidden
    return [*range(size, 2 * size), *range(size), *range(2 * size, 3 * size)]
