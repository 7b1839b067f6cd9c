"""The environment variables of a worker process: frameworks read them when they are imported."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.availability import ANY_FOLDER
from bench.plan.selection import Registry

PINNED = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"))
"""The thread counts of the linear-algebra libraries that NumPy uses."""

MANY_THREADS = 64


@dataclass(frozen=True)
class Declared:
    """The variables that an adapter declares, see `bench.spec.Backend`."""

    environment: Mapping[str, Mapping[str, str]]
    """By the number of threads, as text: JSON has no other keys."""
    compilation_cache: Mapping[str, str]
    """With `ANY_FOLDER` in place of the folder."""

    @classmethod
    def by(cls, backend: Any, most_threads: int) -> "Declared":
        """What this adapter declares for up to so many threads."""
        cache = getattr(backend, "compilation_cache", None)
        return cls(
            {str(n): declared_environment(backend, n) for n in range(1, most_threads + 1)},
            dict(cache(ANY_FOLDER)) if cache else {},
        )

    def cache_variables(self, folder: str) -> dict[str, str]:
        """The variables by which the framework keeps compiled code in this folder."""
        return {
            name: value.replace(ANY_FOLDER, folder)
            for name, value in self.compilation_cache.items()
        }


def declared_environment(backend: Any, threads: int) -> dict[str, str]:
    """The variables that the framework must find before it is imported."""
    declare = getattr(backend, "environment", None)
    return dict(declare(threads)) if declare else {}


def worker_environment(backends: Registry, backend: str, threads: int) -> dict[str, str]:
    """All variables of a worker of this checkout."""
    return pinned_environment(declared_environment(backends.load(backend), threads), threads)


def pinned_environment(declared: Mapping[str, str], threads: int) -> dict[str, str]:
    """All variables of a worker: those of this process, the thread counts of the linear-algebra
    libraries that NumPy uses, and what the adapter declares, which replaces any other."""
    pinned = dict.fromkeys(PINNED, str(threads))
    return {**os.environ, "PYTHONUNBUFFERED": "1", **pinned, **declared}


def thread_variables(adapter: Any) -> set[str]:
    """The variables of a worker that follow from its number of threads, which is recorded."""
    # An adapter may declare the same for all small numbers.
    one, many = declared_environment(adapter, 1), declared_environment(adapter, MANY_THREADS)
    return ({*PINNED} | one.keys()) - {name for name in one if one[name] == many.get(name)}
