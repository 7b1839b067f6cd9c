"""TensorFlow: Keras' own recurrent layers and optimisers, compiled whole by tf.function."""

from backends._keras.options import LayerOptions, keras_has_cudnn
from backends._tensorflow.framework import (
    REQUIRES,
    devices,
    environment,
    peak_memory,
    require,
    reset_peak_memory,
    settings,
    unavailable,
)
from bench.spec import CELLS, DTYPES, ModelSpec, Params, Session, Supports, Training

__all__ = [
    "REQUIRES",
    "SUPPORTS",
    "devices",
    "environment",
    "expected_path",
    "open_session",
    "peak_memory",
    "reset_peak_memory",
    "settings",
    "unavailable",
]

SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)


def expected_path(spec: ModelSpec, device: str) -> str:
    if not CELLS[spec.cell].recurrent:
        return "matmul"
    if device == "cpu" or not keras_has_cudnn(spec):
        return "while_loop"
    # A decoder that reads what it wrote runs in Keras' loop on every device.
    return "cudnn+while_loop" if spec.decoder else "cudnn"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    require(device)
    from backends._tensorflow.session import TensorFlowSession

    # Keras takes cuDNN wherever the process sees a GPU, for a model on the CPU as well.
    options = LayerOptions(cudnn=device != "cpu")
    return TensorFlowSession(spec, params, device, training, options)
