"""What every backend on JAX declares; the other files of this folder hold how it works.

This file imports no framework. A function that needs JAX imports it when it is called.

- `session.py` is the session of all of them: it compiles (`jit.py`) the functions of
  `functions.py`, which are made from `network.py`, `losses.py` and `optimiser.py`;
- `stack.py` is the contract of the recurrent layers, in which alone the backends differ;
- `layers.py` runs a stack layer by layer;
- `bptt_stack.py` and the other `bptt_*.py` are the hand-written backward pass of `jax`;
- `split_stack.py` splits the batch of `jax` over devices; `placement.py` says where arrays live;
- `autodiff_stack.py`, `cudnn_stack.py`, `flax_stack.py`, `equinox_stack.py` are the other backends;
- `products.py` multiplies matrices and does nothing else, for the floor of a time;
- `runtime.py` reads JAX's devices, switches and memory.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path
from typing import Any

from bench.spec import ModelSpec, Operands, Supports, Unsupported

REQUIRES = ("jax", "jaxlib", "optax")


def environment(threads: int) -> dict[str, str]:
    """The variables that JAX must find before it is imported.

    `threads` sets none of them: XLA starts a thread for each processor that the process may use.
    """
    return {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        # XLA's log keeps TensorFlow's name for its level.
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def compilation_cache(folder: str) -> dict[str, str]:
    """The variables by which JAX keeps compiled functions in a folder, for the next process."""
    return {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def devices() -> tuple[str, ...]:
    """The CPU, and every CUDA device that JAX sees."""
    from backends._jax import runtime

    return runtime.devices()


def unavailable(device: str, requires: Sequence[str] = REQUIRES) -> str | None:
    """Why this backend cannot run on the device, without importing JAX; None where it can."""
    if missing := [name for name in requires if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if not device.startswith("cuda"):
        return None if device == "cpu" else f"JAX has no device {device!r} here: use cpu or cuda"
    # Parsing the metadata of every distribution to read its name takes 0.1 s; the folders have it.
    if not any(any(Path(folder).glob("jax_cuda*plugin*.dist-info")) for folder in sys.path):
        return "JAX has no CUDA plug-in installed (jax-cuda13-plugin or jax-cuda12-plugin)"
    return None


def settings(device: str) -> dict[str, Any]:
    """JAX's switches that change what is computed or how fast, as they stand."""
    from backends._jax import runtime

    return runtime.settings(device)


def peak_memory(device: str) -> int | None:
    """The most bytes that JAX's allocator has held on the device; None where it does not count."""
    from backends._jax import runtime

    return runtime.peak_memory(device)


def matrix_products(operands: Sequence[Operands], dtype: str, device: str) -> Callable[[], None]:
    """The products by cuBLAS. On the CPU XLA's own are slower than those of NumPy's library."""
    if device == "cpu":
        raise Unsupported("NumPy's library multiplies faster on the CPU")
    from backends._jax.products import multiply_all

    return multiply_all(operands, dtype, device)


def expected_path(spec: ModelSpec, device: str) -> str:
    """XLA compiles everything."""
    return "xla"


def check(supports: Supports, spec: ModelSpec, reason: str | None) -> None:
    """Raise `Unsupported` for a model that the backend cannot express, or with the reason why it
    cannot run on the device."""
    supports.check(spec)
    if reason:
        raise Unsupported(reason)
