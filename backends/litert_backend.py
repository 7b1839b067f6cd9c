"""LiteRT, formerly TensorFlow Lite: inference of the same weights on the CPU."""

from backends._litert import runtime
from bench.spec import Limit, ModelSpec, Params, Session, Supports, Training, Unsupported

_FLOAT32_KERNELS = Limit("theirs", "LiteRT's kernels compute in float32")
REQUIRES = runtime.REQUIRES
SUPPORTS = Supports(
    dtypes=("float32",),
    bidirectional=Limit("ours", "sequences run in blocks of steps, forwards only"),
    training=Limit("ours", "the adapter converts the forward pass alone"),
    hidden_gradients=Limit("ours", "the adapter converts the forward pass alone"),
    generation=True,
    limits={"float64": _FLOAT32_KERNELS, "bfloat16": _FLOAT32_KERNELS},
)

environment, devices = runtime.environment, runtime.devices
unavailable, settings = runtime.unavailable, runtime.settings


def expected_path(spec: ModelSpec, device: str) -> str:
    return "xnnpack"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    if reason := unavailable(device):
        raise Unsupported(reason)
    SUPPORTS.check(spec)
    from backends._litert.session import LiteRtSession

    return LiteRtSession(SUPPORTS, spec, params)
