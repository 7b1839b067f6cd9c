"""What the adapter states about ONNX Runtime: devices, switches, paths."""

import re
from importlib import util
from typing import Any

from backends._threads import available_threads
from bench.spec import installed_version

REQUIRES = ("onnx", "onnxruntime")
OPSET, IR_VERSION = 17, 8
"""From 2022: every release since 1.12 reads them, and no later operator is needed."""

PATHS = {"CPUExecutionProvider": "onnxruntime", "CUDAExecutionProvider": "onnxruntime-cuda"}
"""The executed path of each execution provider."""


def devices() -> tuple[str, ...]:
    import onnxruntime

    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return ("cpu", "cuda:0") if cuda else ("cpu",)


def unavailable(device: str) -> str | None:
    """Why ONNX Runtime cannot run on this device, or None; it is not imported."""
    if missing := [name for name in REQUIRES if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if device == "cpu":
        return None
    if not re.fullmatch(r"cuda(:\d+)?", device):
        return f"ONNX Runtime runs here on cpu, cuda or cuda:N, not on {device}"
    if installed_version("onnxruntime-gpu"):
        return None
    return "the installed onnxruntime is built without CUDA (onnxruntime-gpu has it)"


def settings(device: str) -> dict[str, Any]:
    """ONNX Runtime's switches as the sessions here set them."""
    return {
        "providers": ", ".join(name for name, _ in providers(device)),
        "intra_threads": available_threads(),
        "inter_threads": 1,
        "graph_optimisation": "all",
        "opset": OPSET,
        "tf32": False,
    }


def providers(device: str) -> list[tuple[str, dict[str, str]]]:
    """The execution providers for a device, by preference, each with its options."""
    cpu: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    if device == "cpu":
        return [cpu]
    index = device.partition(":")[2] or "0"
    # TF32 is on by default: float32 would not be float32.
    return [("CUDAExecutionProvider", {"device_id": index, "use_tf32": "0"}), cpu]
