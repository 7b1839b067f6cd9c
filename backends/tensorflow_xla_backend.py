"""TensorFlow under XLA: Keras' own recurrent layers and optimisers, with jit_compile=True."""

from backends._keras import Choices
from backends._tensorflow import (
    TensorFlowSession,
    devices,
    peak_memory,
    reset_peak_memory,
    settings,
    unavailable,
)
from bench.spec import DTYPES, ModelSpec, Params, Supports, Training

__all__ = [
    "REQUIRES",
    "SUPPORTS",
    "devices",
    "expected_path",
    "open_session",
    "peak_memory",
    "reset_peak_memory",
    "settings",
    "unavailable",
]

REQUIRES = ("tensorflow", "keras")
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "xla"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> TensorFlowSession:
    SUPPORTS.check(spec)
    return TensorFlowSession(spec, params, device, training, Choices(), jit=True)
