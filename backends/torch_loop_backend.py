"""PyTorch's cells, those of nn.RNNCell, nn.LSTMCell and nn.GRUCell, in a Python loop over time. The
gru with reset_before, which PyTorch lacks, is written out."""

from typing import Any

from backends import _torch
from bench.spec import CELLS, DTYPES, ModelSpec, Params, Session, Supports, Training

REQUIRES = ("torch",)
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)

environment, devices, unavailable = _torch.environment, _torch.devices, _torch.unavailable
settings = _torch.settings
peak_memory, reset_peak_memory = _torch.peak_memory, _torch.reset_peak_memory
matrix_products = _torch.matrix_products
instruction_sets = _torch.instruction_sets


def expected_path(spec: ModelSpec, device: str) -> str:
    return "python-loop" if CELLS[spec.cell].recurrent else "aten"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    return _torch.open_session(SUPPORTS, _layers, spec, params, device, training)


def _layers(spec: ModelSpec, weights: Any) -> Any:
    from backends._torch.loop import loop_layers

    return loop_layers(spec, weights)
