"""TensorFlow: Keras' own recurrent layers and optimisers, compiled whole by tf.function."""

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
    """Keras has cuDNN for the lstm and the gru that resets after its product; a decoder that
    reads what it wrote runs in Keras' loop everywhere."""
    if spec.cell == "feedforward":
        return "matmul"
    fused = spec.cell == "lstm" or (spec.cell == "gru" and spec.gru == "reset_after")
    if device == "cpu" or not fused:
        return "while_loop"
    return "cudnn+while_loop" if spec.decoder else "cudnn"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> TensorFlowSession:
    SUPPORTS.check(spec)
    # Keras takes cuDNN wherever the process sees a GPU, for a model on the CPU as well.
    choices = Choices(cudnn=device != "cpu")
    return TensorFlowSession(spec, params, device, training, choices)
