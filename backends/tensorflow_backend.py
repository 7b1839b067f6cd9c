"""TensorFlow: Keras' own recurrent layers and optimisers, compiled whole by tf.function."""

from backends._keras.options import LayerOptions, keras_has_cudnn
from backends._tensorflow import framework
from bench.spec import CELLS, DTYPES, ModelSpec, Params, Session, Supports, Training

REQUIRES = framework.REQUIRES
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)

environment, devices = framework.environment, framework.devices
unavailable, settings = framework.unavailable, framework.settings
peak_memory, reset_peak_memory = framework.peak_memory, framework.reset_peak_memory


def expected_path(spec: ModelSpec, device: str) -> str:
    if not CELLS[spec.cell].recurrent:
        return "matmul"
    if device == "cpu" or not keras_has_cudnn(spec):
        return "while_loop"
    # A decoder that reads its own outputs runs in Keras' loop on every device.
    return "cudnn+while_loop" if spec.decoder else "cudnn"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    framework.require(device)
    from backends._tensorflow.session import TensorFlowSession

    # Keras takes cuDNN wherever the process sees a GPU, for a model on the CPU as well.
    options = LayerOptions(cudnn=device != "cpu")
    return TensorFlowSession(spec, params, device, training, options)
