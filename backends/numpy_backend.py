"""The reference in NumPy, which every other backend is compared with."""

from bench.spec import Limit, ModelSpec, Params, Session, Supports, Training, Unsupported

REQUIRES = ("numpy",)
SUPPORTS = Supports(
    decoder=True,
    generation=True,
    limits={"bfloat16": Limit("theirs", "NumPy has no bfloat16")},
)


def devices() -> tuple[str, ...]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    return None if device == "cpu" else "NumPy runs on the CPU only"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    if reason := unavailable(device):
        raise Unsupported(reason)
    SUPPORTS.check(spec)
    from backends._numpy.session import NumpySession

    return NumpySession(spec, params, training)


def expected_path(spec: ModelSpec, device: str) -> str:
    from backends._numpy.session import linked_library

    return linked_library()
