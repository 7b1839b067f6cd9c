"""Runs a command in a fresh process, and tells its time and its memory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import perf_counter

# A process begins as a copy of the one that starts it, whose memory counts as its own: so a small
# one starts the command.
STARTER = """
import json, os, sys, time
start = time.perf_counter()
to_log = [(os.POSIX_SPAWN_DUP2, 2, 1)]
process = os.posix_spawn(sys.executable, sys.argv[1:], os.environ, file_actions=to_log)
_, status, usage = os.wait4(process, 0)
seconds, processor_s = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
print(json.dumps([seconds, processor_s, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]))
"""
KIB = 1 if sys.platform == "darwin" else 1024
"""The unit of `ru_maxrss`, in bytes."""


@dataclass(frozen=True)
class Usage:
    """What a process took, with those that it waited for: seconds on the wall clock and of
    processors, and the most memory, in bytes, that one of them held. The exit code is negative
    after a signal."""

    seconds: float
    processor_s: float
    peak_bytes: int
    exit_code: int


def measured(checkout: Path, arguments: Sequence[str], log: Path, limit_s: float) -> Usage:
    """Run `run_bench.py` of a checkout with these arguments, and kill it after `limit_s` seconds.

    What it prints goes to the file `log`.
    """
    start = perf_counter()
    command = [sys.executable, str(checkout / "run_bench.py"), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", STARTER, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
        watchdog = Timer(limit_s, _kill, [process.pid])
        watchdog.start()
        answer, _ = process.communicate()
        watchdog.cancel()
    if not answer:
        return Usage(perf_counter() - start, 0.0, 0, -signal.SIGKILL)
    seconds, processor_s, peak, exit_code = json.loads(answer)
    return Usage(seconds, processor_s, peak * KIB, exit_code)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
