"""The environment variables of a worker process: frameworks read them when they are imported."""

import os
from collections.abc import Mapping

from bench.plan.selection import Registry


def worker_environment(backends: Registry, backend: str, threads: int) -> dict[str, str]:
    """All variables of a worker.

    They are the variables of this process, the thread counts of the linear-algebra libraries that
    NumPy uses, and what the adapter declares in `environment(threads)`, where it has one. The
    adapter's value replaces any other.
    """
    pinned = {
        f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
    }
    declare = getattr(backends.load(backend), "environment", None)
    declared: Mapping[str, str] = declare(threads) if declare else {}
    return {**os.environ, "PYTHONUNBUFFERED": "1", **pinned, **declared}
