"""The recurrence in plain ATen calls, with its backward pass written by hand for autograd."""

from typing import Any

from backends import _torch
from bench.spec import CELLS, DTYPES, Limit, ModelSpec, Params, Session, Supports, Training

REQUIRES = ("torch",)
SUPPORTS = Supports(
    dtypes=DTYPES,
    gru=("reset_after",),
    decoder=True,
    generation=True,
    limits={"reset_before": Limit("ours", "only reset_after is written")},
)

environment, devices, unavailable = _torch.environment, _torch.devices, _torch.unavailable
settings = _torch.settings
peak_memory, reset_peak_memory = _torch.peak_memory, _torch.reset_peak_memory
matrix_products = _torch.matrix_products
instruction_sets = _torch.instruction_sets


def expected_path(spec: ModelSpec, device: str) -> str:
    return "aten-scan" if CELLS[spec.cell].recurrent else "aten"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    return _torch.open_session(SUPPORTS, _layers, spec, params, device, training)


def _layers(spec: ModelSpec, weights: Any) -> Any:
    from backends._torch.bptt import bptt_layers

    return bptt_layers(spec, weights)
