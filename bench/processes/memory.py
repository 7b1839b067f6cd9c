"""The memory of processes."""

from contextlib import suppress

import psutil


def memory_below(process: int, limit: float) -> float:
    """The resident memory of all processes below this one, in bytes.

    What several of them share counts several times, unless the sum is above the limit: then each
    byte counts once, which takes longer to find out.
    """
    try:
        processes = psutil.Process(process).children(recursive=True)
    except psutil.Error:
        return 0
    size = sum(map(_resident, processes))
    return sum(map(_proportional, processes)) if size > limit and len(processes) > 1 else size


def _resident(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return float(process.memory_info().rss)
    return 0


def _proportional(process: psutil.Process) -> float:
    """The resident memory, in which shared memory is divided by the number of its processes."""
    with suppress(psutil.Error, AttributeError):
        return float(process.memory_full_info().pss)
    return _resident(process)
