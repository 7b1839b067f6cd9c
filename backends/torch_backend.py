"""PyTorch's own layers, nn.RNN, nn.LSTM and nn.GRU: what most people use."""

from typing import Any

from backends import _torch
from bench.spec import CELLS, DTYPES, Limit, ModelSpec, Params, Session, Supports, Training

REQUIRES = ("torch",)
SUPPORTS = Supports(
    dtypes=DTYPES,
    gru=("reset_after",),
    decoder=True,
    generation=True,
    limits={"reset_before": Limit("theirs", "nn.GRU computes reset_after only")},
)

environment, devices, unavailable = _torch.environment, _torch.devices, _torch.unavailable
settings = _torch.settings
peak_memory, reset_peak_memory = _torch.peak_memory, _torch.reset_peak_memory
matrix_products = _torch.matrix_products
instruction_sets = _torch.instruction_sets


def expected_path(spec: ModelSpec, device: str) -> str:
    """oneDNN runs the lstm of full sequences on the CPU; it does not take unequal lengths."""
    if not CELLS[spec.cell].recurrent:
        return "aten"
    if device.startswith("cuda"):
        return "cudnn"
    from backends._torch.fused import onednn_runs_lstm

    return "onednn" if spec.cell == "lstm" and onednn_runs_lstm(spec.dtype) else "aten"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    return _torch.open_session(SUPPORTS, _layers, spec, params, device, training)


def _layers(spec: ModelSpec, weights: Any) -> Any:
    from backends._torch.fused import fused_layers

    return fused_layers(spec, weights)
