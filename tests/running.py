"""Runs `run_bench.py` for real, in a results folder of the test's own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
from conftest import ROOT

from run_bench import main

ENTRY = [sys.executable, str(ROOT / "run_bench.py")]
MISBEHAVING = "tests/plugins/misbehaving.py"
TINY = ("--profile", "smoke", "--tasks", "adding:steps=2:length=5:held_out=10")


def bench(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """What became of a command; it never shows a traceback."""
    done = subprocess.run(
        [*ENTRY, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        text=True,
        timeout=120,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def bench_inside(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The same within this process: for what ends before a worker is started."""
    command = list(map(str, arguments))
    with chdir(ROOT), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            code = main(command)
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def start(
    *arguments: str | Path, environment: Mapping[str, str], **more: Any
) -> subprocess.Popen[str]:
    """A command in the background."""
    return subprocess.Popen(
        [*ENTRY, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def tiny_run(root: Path, *arguments: str, run: str = "r", **more: Any) -> Any:
    """A new run of the numpy backend in seconds, unless the arguments say otherwise."""
    chosen = () if "--backends" in arguments else ("--backends", "numpy")
    return bench(*TINY, *chosen, *arguments, "--results-dir", root, "--run-id", run, **more)


def records(root: Path, run: str = "r") -> list[dict[str, Any]]:
    text = (root / run / "records.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def keys(found: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(record["case"], sort_keys=True) for record in found]


def keep_lines(root: Path, count: int, rest: bytes = b"") -> None:
    """Cut the records back to their first lines, with something behind them."""
    file = root / "r" / "records.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:count]) + rest)


def wait_until(true: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


def inheriting(mark: dict[str, str]) -> list[psutil.Process]:
    """Every living process that has the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ()
            if mark.items() <= own.items() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found
