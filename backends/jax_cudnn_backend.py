"""JAX's `jax.experimental.rnn.lstm`: cuDNN's fused lstm on NVIDIA GPUs."""

from backends import _jax
from bench.spec import Limit, ModelSpec, Params, Session, Supports, Training

REQUIRES = _jax.REQUIRES
_LSTM_ONLY = Limit("theirs", "jax.experimental.rnn has the lstm only")
_FLOAT32_ONLY = Limit("theirs", "jax.experimental.rnn computes in float32 only")
SUPPORTS = Supports(
    cells=("lstm",),
    dtypes=("float32",),
    decoder=True,
    generation=True,
    limits={
        "rnn": _LSTM_ONLY,
        "gru": _LSTM_ONLY,
        "feedforward": _LSTM_ONLY,
        "float64": _FLOAT32_ONLY,
        "bfloat16": _FLOAT32_ONLY,
    },
)

environment, settings, peak_memory = _jax.environment, _jax.settings, _jax.peak_memory
matrix_products = _jax.matrix_products
compilation_cache = _jax.compilation_cache


def devices() -> tuple[str, ...]:
    return tuple(device for device in _jax.devices() if device != "cpu")


def unavailable(device: str) -> str | None:
    if device == "cpu":
        return "jax.experimental.rnn calls cuDNN, which runs on NVIDIA GPUs only"
    return _jax.unavailable(device)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "cudnn"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    _jax.check(SUPPORTS, spec, unavailable(device))
    from backends._jax.cudnn_stack import STACK
    from backends._jax.session import JaxSession

    return JaxSession(STACK, spec, params, device, training)
