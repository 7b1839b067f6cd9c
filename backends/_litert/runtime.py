"""What the adapter states about LiteRT: environment, devices, switches."""

from importlib import util
from typing import Any

from backends._tensorflow import framework
from backends._threads import available_threads

REQUIRES = ("ai-edge-litert", "tensorflow")
MODULES = ("ai_edge_litert", "tensorflow")


def environment(threads: int) -> dict[str, str]:
    """The variables that TensorFlow, which converts the models, must find before its import."""
    return framework.environment(threads)


def devices() -> tuple[str, ...]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    """Why LiteRT cannot run on this device, or None; nothing is imported."""
    missing = [
        name
        for name, module in zip(REQUIRES, MODULES, strict=True)
        if util.find_spec(module) is None
    ]
    if missing:
        return f"{' and '.join(missing)} not installed"
    return None if device == "cpu" else f"LiteRT runs here on cpu, not on {device}"


def settings(device: str) -> dict[str, Any]:
    """LiteRT's switches as the interpreters here set them."""
    return {"threads": available_threads(), "delegate": "the default one, XNNPACK"}
