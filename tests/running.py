"""Runs `run_bench.py` as a user does, with a results folder of the test's own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
from conftest import ROOT

from run_bench import main

ENTRY = [sys.executable, str(ROOT / "run_bench.py")]
MISBEHAVING = "tests/plugins/misbehaving.py"
PLUGIN = ("--backends", MISBEHAVING)
TINY = ("--profile", "smoke", "--tasks", "adding:steps=2:length=5:held_out=10")


def bench(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in its own process, with these variables beside the present ones.

    `options` are those of `subprocess.run`. The command never prints a traceback.
    """
    done = subprocess.run(
        [*ENTRY, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        text=True,
        timeout=120,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def bench_inside(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command within this process, which has imported everything already."""
    command = list(map(str, arguments))
    with chdir(ROOT), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            code = main(command)
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def start(
    *arguments: str | Path, environment: Mapping[str, str], **options: Any
) -> subprocess.Popen[str]:
    """Start a command in the background; `options` are those of `subprocess.Popen`."""
    return subprocess.Popen(
        [*ENTRY, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def tiny_run(root: Path, *arguments: str, run: str = "r", **options: Any) -> Any:
    """Make a new run that takes seconds, of the numpy backend unless the arguments name others."""
    return bench(*_tiny(root, arguments, run), **options)


def tiny_run_inside(root: Path, *arguments: str, run: str = "r") -> Any:
    """The same within this process."""
    return bench_inside(*_tiny(root, arguments, run))


def _tiny(root: Path, arguments: Sequence[str], run: str) -> list[str | Path]:
    backends = () if "--backends" in arguments else ("--backends", "numpy")
    return [*TINY, *backends, *arguments, "--results-dir", root, "--run-id", run]


def copy_run(finished: Path, root: Path) -> Path:
    """Copy the run `r` of another results folder; return its records file."""
    shutil.copytree(finished / "r", root / "r")
    return root / "r" / "records.jsonl"


def records(root: Path, run: str = "r") -> list[dict[str, Any]]:
    """The records of a run as they are written."""
    text = (root / run / "records.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def case_keys(records: list[dict[str, Any]]) -> list[str]:
    """The identities of the recorded cases, in their order."""
    return [json.dumps(record["case"], sort_keys=True) for record in records]


def keep_lines(root: Path, count: int, tail: bytes = b"") -> None:
    """Cut the records of the run `r` back to their first lines, followed by `tail`."""
    file = root / "r" / "records.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:count]) + tail)


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until the condition returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds} s"
        time.sleep(0.01)
    return value


def inheriting(mark: dict[str, str]) -> list[psutil.Process]:
    """All living processes that have these environment variables."""
    processes = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            if mark.items() <= variables.items() and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except psutil.Error:
            continue
    return processes
