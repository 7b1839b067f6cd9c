"""Runs a command in a fresh process, and tells its time and its memory."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import perf_counter

KIB = 1024


@dataclass(frozen=True)
class Usage:
    """What a process took: seconds on the wall clock, and the most memory, in bytes, that it or
    one of the processes that it waited for held. The exit code is negative after a signal."""

    seconds: float
    peak_bytes: int
    exit_code: int


def measured(checkout: Path, arguments: Sequence[str], log: Path, limit_s: float) -> Usage:
    """Run `run_bench.py` of a checkout with these arguments, and kill it after `limit_s` seconds.

    What it prints goes to the file `log`.
    """
    start = perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(checkout / "run_bench.py"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watchdog = Timer(limit_s, process.kill)
        watchdog.start()
        _, status, usage = os.wait4(process.pid, 0)
        watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else KIB
    return Usage(perf_counter() - start, usage.ru_maxrss * unit, process.returncode)
