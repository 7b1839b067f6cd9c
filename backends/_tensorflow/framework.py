"""What the TensorFlow adapters state: environment, devices, switches and the allocator."""

import os
import re
from ctypes import CDLL
from importlib import util
from typing import Any

from backends._keras.engine import compute_with
from bench.spec import Unsupported, installed_version

REQUIRES = ("tensorflow", "keras")


def environment(threads: int) -> dict[str, str]:
    """The variables that TensorFlow must find before it is imported."""
    return {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "2",  # errors only
        "TF_ENABLE_ONEDNN_OPTS": "1",
        **_ALLOW_GROWTH,
    }


# Otherwise TensorFlow takes nearly all memory of a GPU at once.
_ALLOW_GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def load() -> Any:
    """TensorFlow, with Keras on it; raises `Unsupported` if Keras computes with something else."""
    for name, value in _ALLOW_GROWTH.items():
        os.environ.setdefault(name, value)
    compute_with("tensorflow")
    import tensorflow

    return tensorflow


def require(device: str) -> None:
    """Load TensorFlow; raises `Unsupported` if it cannot run on this device."""
    if reason := unavailable(device):
        raise Unsupported(reason)
    load()


def unavailable(device: str) -> str | None:
    """Why TensorFlow cannot run on this device, or None; TensorFlow is not imported."""
    if missing := [name for name in REQUIRES if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if device == "cpu":
        return None
    if not re.fullmatch(r"cuda(:\d+)?", device):
        return f"TensorFlow runs here on cpu, cuda or cuda:N, not on {device}"
    if installed_version("tensorflow-cpu") and not installed_version("tensorflow"):
        return "the installed tensorflow-cpu is built without CUDA"
    return None if _nvidia_driver() else "no NVIDIA driver library (libcuda) found"


def devices() -> tuple[str, ...]:
    gpus = load().config.list_physical_devices("GPU")
    return ("cpu", *(f"cuda:{index}" for index in range(len(gpus))))


def settings(device: str) -> dict[str, Any]:
    """TensorFlow's switches as they stand; 0 threads is its default, one for each core."""
    tf = load()
    threading, variable = tf.config.threading, os.environ.get
    return {
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "deterministic_ops": _deterministic(),
        "xla_autoclustering": bool(tf.config.optimizer.get_jit()),
        "xla_flags": variable("TF_XLA_FLAGS"),
        "intra_threads": threading.get_intra_op_parallelism_threads()
        or int(variable("TF_NUM_INTRAOP_THREADS", 0)),
        "inter_threads": threading.get_inter_op_parallelism_threads()
        or int(variable("TF_NUM_INTEROP_THREADS", 0)),
        "onednn_opts": variable("TF_ENABLE_ONEDNN_OPTS"),
    }


def peak_memory(device: str) -> int | None:
    """Bytes; None on the CPU, where TensorFlow keeps no count."""
    info = load().config.experimental.get_memory_info
    return None if device == "cpu" else int(info(placement(device))["peak"])


def reset_peak_memory(device: str) -> None:
    if device != "cpu":
        load().config.experimental.reset_memory_stats(placement(device))


def placement(device: str) -> str:
    """TensorFlow's name for a device; raises `Unsupported` if it is not there."""
    if reason := unavailable(device):
        raise Unsupported(reason)
    if device == "cpu":
        return "/CPU:0"
    index = int(device.partition(":")[2] or 0)
    if f"cuda:{index}" not in devices():
        raise Unsupported(f"TensorFlow sees no GPU {index}")
    return f"/GPU:{index}"


def _deterministic() -> bool:
    from tensorflow.python.framework import config  # the public API can only switch it on

    return bool(config.is_op_determinism_enabled())


def _nvidia_driver() -> bool:
    try:
        return bool(CDLL("libcuda.so.1"))
    except OSError:
        return False
