"""What JAX says of this process: its devices, switches and memory."""

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from backends._jax.placement import SEQUENCES
from bench.spec import Unsupported


def devices() -> tuple[str, ...]:
    try:
        count = len(jax.devices("cuda"))
    except RuntimeError:
        count = 0
    return ("cpu", *(f"cuda:{index}" for index in range(count)))


def find_device(name: str) -> jax.Device:
    """JAX's device behind `cpu`, `cuda` or `cuda:1`."""
    platform, _, index = name.partition(":")
    return jax.devices(platform)[int(index or 0)]


def settings(device: str) -> dict[str, Any]:
    return {
        "matmul_precision": "highest",
        "platform_version": find_device(device).client.platform_version,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "preallocate": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true"),
        "x64": bool(jax.config.jax_enable_x64),
        "disable_jit": bool(jax.config.jax_disable_jit),
    }


def peak_memory(device: str) -> int | None:
    statistics = find_device(device).memory_stats()
    return statistics["peak_bytes_in_use"] if statistics else None


def split_mesh() -> Mesh:
    """All devices of the CPU in a row. Raises `Unsupported` where there is one only."""
    cpus = jax.devices("cpu")
    if len(cpus) == 1:
        raise Unsupported(
            "JAX has one device on the CPU, and a batch needs two to be split: set the variable "
            "JAX_NUM_CPU_DEVICES to the number of threads before JAX starts"
        )
    return Mesh(np.array(cpus), (SEQUENCES,))
