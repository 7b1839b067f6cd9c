"""Keras on PyTorch: Keras' own recurrent layers in the session of the PyTorch backends, whose
readout, losses and optimiser (torch.optim) they share."""

from importlib import util

from backends import _torch
from backends._keras.engine import SUPPORTS_ON_JAX_AND_TORCH, compute_with
from backends._keras.options import keras_has_cudnn
from bench.spec import CELLS, ModelSpec, Params, Session, Training, Unsupported

REQUIRES = ("torch", "keras")
SUPPORTS = SUPPORTS_ON_JAX_AND_TORCH

environment = _torch.environment
devices, settings = _torch.devices, _torch.settings
peak_memory, reset_peak_memory = _torch.peak_memory, _torch.reset_peak_memory
matrix_products = _torch.matrix_products
instruction_sets = _torch.instruction_sets


def unavailable(device: str) -> str | None:
    return _torch.unavailable(device) if util.find_spec("keras") else "Keras is not installed"


def expected_path(spec: ModelSpec, device: str) -> str:
    if not CELLS[spec.cell].recurrent:
        return "aten"
    return "cudnn" if keras_has_cudnn(spec) and device != "cpu" else "python-loop"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    compute_with("torch")
    from backends._keras.on_torch import Layers

    return _torch.open_session(SUPPORTS, Layers, spec, params, device, training)
