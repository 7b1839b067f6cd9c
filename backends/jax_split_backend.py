"""The backward pass of `jax` with the batch split over the processors of a CPU."""

import os
from collections.abc import Sequence
from typing import Any

from backends import _jax
from bench.spec import DTYPES, ModelSpec, Params, Session, Supports, Training

REQUIRES = _jax.REQUIRES
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)
FEWEST_PARTS = 2
"""Parts of a batch, also with one thread: the gate runs on one processor and has to prove that the
parts add up."""

compilation_cache, peak_memory = _jax.compilation_cache, _jax.peak_memory
matrix_products = _jax.matrix_products


def environment(threads: int) -> dict[str, str]:
    """Those of JAX, and a device for each thread."""
    devices = {"JAX_NUM_CPU_DEVICES": str(max(FEWEST_PARTS, threads))}
    return {**_jax.environment(threads), **devices}


def devices() -> Sequence[str]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    """Also where this process may use one processor only. A worker of the gate is pinned to one
    later, and runs the parts of a batch in turn."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    if device == "cpu" and processors == 1:
        return "it splits a batch over processors, and this process may use one only"
    return _without_jax_or_cpu(device)


def _without_jax_or_cpu(device: str) -> str | None:
    if device.startswith("cuda"):
        return "it splits a batch over the processors of a CPU; on a GPU use jax"
    return _jax.unavailable(device)


def settings(device: str) -> dict[str, Any]:
    """Those of JAX, and into how many parts a batch is split."""
    from backends._jax.runtime import split_mesh

    return {**_jax.settings(device), "parts": split_mesh().size}


def expected_path(spec: ModelSpec, device: str) -> str:
    return "xla-split"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    _jax.check(SUPPORTS, spec, _without_jax_or_cpu(device))
    from backends._jax.placement import OverDevices
    from backends._jax.runtime import split_mesh
    from backends._jax.session import JaxSession
    from backends._jax.split_stack import split_stack

    mesh = split_mesh()
    return JaxSession(split_stack(mesh), spec, params, device, training, OverDevices(mesh))
