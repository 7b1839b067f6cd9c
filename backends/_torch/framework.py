"""What the PyTorch adapters state: environment, devices, switches and the allocator."""

from collections.abc import Callable, Mapping, Sequence
from importlib import util
from typing import Any

from bench.spec import (
    ModelSpec,
    Operands,
    Params,
    Session,
    Supports,
    Training,
    Unsupported,
    installed_version,
)


def environment(threads: int) -> dict[str, str]:
    """The variables that PyTorch must find before it is imported."""
    return {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # without it cuBLAS is not deterministic


def unavailable(device: str) -> str | None:
    """Why PyTorch cannot run on this device, or None; PyTorch is not imported."""
    if util.find_spec("torch") is None:
        return "PyTorch is not installed"
    if not device.startswith("cuda"):
        return None if device == "cpu" else f"PyTorch runs here on cpu or cuda, not on {device!r}"
    version = installed_version("torch") or ""
    if version.endswith("+cpu"):
        return f"PyTorch {version} is a build without CUDA"
    return None


def devices() -> tuple[str, ...]:
    import torch

    return ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))


def settings(device: str) -> dict[str, Any]:
    """PyTorch's switches that change results or speed, as they stand."""
    import torch

    switches: dict[str, Any] = {"threads": torch.get_num_threads()}
    if device.startswith("cuda"):
        return switches | {
            "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
            "tf32_cudnn": torch.backends.cudnn.allow_tf32,
            "cudnn": torch.backends.cudnn.version(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }
    return switches | {"onednn": torch.backends.mkldnn.enabled}


def instruction_sets() -> dict[str, str | None]:
    """The instruction sets that PyTorch and oneDNN use on the processor, by library."""
    from backends._torch.instruction_sets import instruction_sets

    return instruction_sets()


def reset_peak_memory(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.init()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: str) -> int | None:
    """The most bytes that PyTorch's allocator has held on a GPU; None for the CPU."""
    import torch

    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None


def matrix_products(operands: Sequence[Operands], dtype: str, device: str) -> Callable[[], None]:
    """The products by MKL on the CPU, and by cuBLAS on a GPU."""
    from backends._torch.products import matrix_products

    return matrix_products(operands, dtype, device)


def open_session(
    supports: Supports,
    layers: Callable[[ModelSpec, Mapping[str, Any]], Any],
    spec: ModelSpec,
    params: Params,
    device: str,
    training: Training,
) -> Session:
    """A session whose stacks `layers(spec, weights)` makes. Raises `Unsupported` if the backend
    lacks the model or the device."""
    if reason := unavailable(device):
        raise Unsupported(reason)
    supports.check(spec)
    from backends._torch.session import TorchSession

    return TorchSession(spec, layers, params, device, training)
