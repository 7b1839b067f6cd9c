"""Starts programs under a supervisor: what they have started ends with them."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.processes.supervisor import END_S

SUPERVISOR = Path(__file__).with_name("supervisor.py")


def supervised(program: Sequence[str], log: int | None = None) -> list[str]:
    """The command that runs a program under a supervisor, see `bench.processes.supervisor`.

    `log` is the file descriptor to which its standard error is copied; the process that starts the
    command must pass it on.
    """
    log_word = "-" if log is None else str(log)
    return [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), log_word, *program]


def run_supervised(
    program: Sequence[str],
    limit_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program without input, in this folder; return its exit code and what it has printed.

    It ends, with everything that it has started, when this function does. Raises
    `subprocess.TimeoutExpired` after `limit_s` seconds.
    """
    with subprocess.Popen(
        supervised(program),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        env=environment,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            printed, errors = process.communicate(timeout=limit_s)
        except BaseException:
            end_supervised(process)
            raise
    return subprocess.CompletedProcess([*program], process.returncode, printed, errors)


def end_supervised(process: "subprocess.Popen[str]") -> None:
    """End a supervised program and everything that it has started."""
    process.terminate()
    try:
        process.wait(2 * END_S)
    except subprocess.TimeoutExpired:
        process.kill()
