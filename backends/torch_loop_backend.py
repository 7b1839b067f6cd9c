"""PyTorch's cells, those of nn.RNNCell, nn.LSTMCell and nn.GRUCell, in a Python loop over time;
the gru with reset_before, which PyTorch has not, is written out."""

from collections.abc import Mapping
from typing import Any

from backends import _torch
from backends._torch import devices, peak_memory, reset_peak_memory, settings, unavailable
from bench.spec import ModelSpec, Params, Supports, Training

__all__ = ["devices", "peak_memory", "reset_peak_memory", "settings", "unavailable"]

REQUIRES = ("torch",)
SUPPORTS = Supports(dtypes=_torch.DTYPES, decoder=True, generation=True)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _torch.TorchSession:
    return _torch.open_session(SUPPORTS, layers, spec, params, device, training)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "aten" if spec.cell == "feedforward" else "python-loop"


def layers(spec: ModelSpec, weights: Mapping[str, Any]) -> _torch.Stack:
    return _torch.Stack(spec, _torch.loop(spec), weights)
