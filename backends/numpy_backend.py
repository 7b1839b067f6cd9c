"""The reference in NumPy, which every other backend is compared with."""

from typing import Any

from bench.spec import Limit, ModelSpec, Params, Supports, Training, Unsupported

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
    spec: ModelSpec,
    params: Params,
    device: str,
    training: Training = Training(),
    *,
    in_order: bool = False,
) -> Any:
    if reason := unavailable(device):
        raise Unsupported(reason)
    SUPPORTS.check(spec)
    from backends._numpy.session import NumpySession

    session = NumpySession(spec, params, training)
    if in_order:
        from backends._numpy.in_order import InOrder

        return InOrder(session, params)
    return session


def expected_path(spec: ModelSpec, device: str) -> str:
    from backends._numpy.session import linked_library

    return linked_library()
