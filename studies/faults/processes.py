"""The processes of a try: all that descend from this process, whatever they do to hide."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 10.0
"""Seconds in which processes that are ending may end."""


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """Within this context, on Linux, a process whose parent dies becomes a child of this process:
    so `descendants` sees it even if it has a session and an environment of its own."""
    linux = sys.platform == "linux"
    if linux:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        if linux:
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


def descendants() -> set[psutil.Process]:
    """All processes that descend from this one."""
    return set(psutil.Process().children(recursive=True))


def still_alive(earlier: set[psutil.Process]) -> list[psutil.Process]:
    """The descendants that were not there earlier and do not end within the grace."""
    deadline = time.monotonic() + GRACE_S
    while processes := [p for p in descendants() - earlier if not _has_ended(p)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return processes


def _has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended; one that waits for its parent, this process, is released."""
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return False
    except psutil.Error:
        return True
    with suppress(OSError):
        os.waitpid(process.pid, os.WNOHANG)
    return True


def description(process: psutil.Process) -> str:
    """The command of a process, and its state."""
    try:
        return f"process {' '.join(process.cmdline())[-120:]} ({process.status()})"
    except psutil.Error:
        return "a process that has ended since"


def kill_all(processes: list[psutil.Process]) -> None:
    """Kill these processes and wait for them."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=GRACE_S)
