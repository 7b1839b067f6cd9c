"""The number of threads for frameworks that read no environment variable themselves."""

import os


def available_threads() -> int:
    """The number that OMP_NUM_THREADS names, or the processors that this process may use."""
    if first := os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]:
        return int(first)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
