"""PyTorch's cells in a Python loop, compiled by torch.compile into TorchInductor's kernels."""

import os
from shutil import which
from typing import Any

from backends import _torch
from bench.spec import DTYPES, ModelSpec, Params, Session, Supports, Training, Unsupported

REQUIRES = ("torch",)
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)

environment, devices, settings = _torch.environment, _torch.devices, _torch.settings
peak_memory, reset_peak_memory = _torch.peak_memory, _torch.reset_peak_memory
matrix_products = _torch.matrix_products
instruction_sets = _torch.instruction_sets


def unavailable(device: str) -> str | None:
    compiler = os.environ.get("CXX", "g++")
    if device == "cpu" and which(compiler) is None:
        return f"TorchInductor needs a C++ compiler, and there is no {compiler}"
    return _torch.unavailable(device)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "inductor"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    if reason := unavailable(device):
        raise Unsupported(reason)
    return _torch.open_session(SUPPORTS, _layers, spec, params, device, training)


def _layers(spec: ModelSpec, weights: Any) -> Any:
    from backends._torch.compiled import compiled_layers

    return compiled_layers(spec, weights)
