"""ONNX Runtime: inference of the same weights by its RNN, LSTM and GRU operators."""

from backends._onnx import runtime
from bench.spec import Limit, ModelSpec, Params, Session, Supports, Training, Unsupported

_FLOAT32_KERNELS = Limit("theirs", "ONNX Runtime's recurrent kernels compute in float32")
REQUIRES = runtime.REQUIRES
SUPPORTS = Supports(
    dtypes=("float32",),
    training=Limit("theirs", "ONNX Runtime runs models, it does not train them"),
    hidden_gradients=Limit("theirs", "ONNX Runtime has no gradients"),
    nan_propagation=Limit(
        "theirs", "ONNX Runtime's lstm and gru on the CPU turn NaN into a finite number"
    ),
    decoder=True,
    generation=True,
    limits={"float64": _FLOAT32_KERNELS, "bfloat16": _FLOAT32_KERNELS},
)

devices, unavailable, settings = runtime.devices, runtime.unavailable, runtime.settings


def expected_path(spec: ModelSpec, device: str) -> str:
    return runtime.PATHS[runtime.providers(device)[0][0]]


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    from backends._onnx.session import OnnxSession

    return OnnxSession(SUPPORTS, spec, params, device)
