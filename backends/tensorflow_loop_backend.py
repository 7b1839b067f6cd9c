"""TensorFlow's own operations: each cell and its backward pass written out in a tf.while_loop.

Readout, losses and optimiser are Keras', and a decoder that reads its own outputs steps through
Keras' cells.
"""

from backends._keras.options import LayerOptions
from backends._tensorflow import framework
from bench.spec import CELLS, DTYPES, ModelSpec, Params, Session, Supports, Training

REQUIRES = framework.REQUIRES
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)

environment, devices = framework.environment, framework.devices
unavailable, settings = framework.unavailable, framework.settings
peak_memory, reset_peak_memory = framework.peak_memory, framework.reset_peak_memory


def expected_path(spec: ModelSpec, device: str) -> str:
    return "while_loop" if CELLS[spec.cell].recurrent else "matmul"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    framework.require(device)
    from backends._tensorflow.loop import loop_scan
    from backends._tensorflow.session import TensorFlowSession

    return TensorFlowSession(spec, params, device, training, LayerOptions(scan=loop_scan))
