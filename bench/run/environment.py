"""The environment variables of a worker process: frameworks read them when they are imported."""

import os
from collections.abc import Mapping
from typing import Any

from bench.plan.selection import Registry

PINNED = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"))
"""The thread counts of the linear-algebra libraries that NumPy uses."""


def worker_environment(backends: Registry, backend: str, threads: int) -> dict[str, str]:
    """All variables of a worker.

    They are the variables of this process, the thread counts of the linear-algebra libraries that
    NumPy uses, and what the adapter declares in `environment(threads)`, where it has one. The
    adapter's value replaces any other.
    """
    pinned = dict.fromkeys(PINNED, str(threads))
    declared = _declared(backends.load(backend), threads)
    return {**os.environ, "PYTHONUNBUFFERED": "1", **pinned, **declared}


def thread_variables(adapter: Any) -> set[str]:
    """The variables of a worker that follow from its number of threads, which is recorded."""
    one, two = _declared(adapter, 1), _declared(adapter, 2)
    return ({*PINNED} | one.keys()) - {name for name in one if one[name] == two.get(name)}


def _declared(adapter: Any, threads: int) -> Mapping[str, str]:
    declare = getattr(adapter, "environment", None)
    return declare(threads) if declare else {}
