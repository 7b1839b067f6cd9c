"""Run `compare` against every fault, and record which checks were red."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.compare.conclusion import RED
from studies.guard_rates.collect import PLUGIN, ROOT
from studies.json_lines import JsonLines

FAULT_LINES = "faults.jsonl"
IN_THE_CODE = (
    "gradient",
    "forget_bias",
    "half_rate",
    "clipped_too_early",
    "fails",
    "lazy",
    "diverging",
)
"""Faults of an adapter, defined in `studies.guard_rates.injected_backend`."""
CLIPPED = "forecasting:steps=100:clip_norm=0.1"
IN_THE_SETTINGS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "nothing, two stored runs": (["--tasks", CLIPPED], ["--tasks", CLIPPED]),
    "learning rate halved, adding": (
        ["--tasks", "adding:short"],
        ["--tasks", "adding:short:learning_rate=0.0015"],
    ),
    "learning rate halved, sunspots": (
        ["--tasks", "forecasting:steps=200"],
        ["--tasks", "forecasting:steps=200:learning_rate=0.0025"],
    ),
    "forget bias 0, not 1": (
        ["--tasks", "adding:short", "--cells", "lstm", "--forget-bias", "1"],
        ["--tasks", "adding:short", "--cells", "lstm", "--forget-bias", "0"],
    ),
    "clipping left out": (
        ["--tasks", CLIPPED],
        ["--tasks", "forecasting:steps=100"],
    ),
}
"""Faults that the parity gate of neither side can see: the options of the base and of the head."""


def compare_faults(folder: Path, names: Sequence[str]) -> None:
    """Record the red checks of each fault, backend and cell."""
    lines = JsonLines(folder / FAULT_LINES)
    lines.clear()
    for backend in names:
        for fault in ("nothing", *IN_THE_CODE, *IN_THE_SETTINGS):
            with TemporaryDirectory() as scratch:
                run = _compare_settings if fault in IN_THE_SETTINGS else _compare_code
                comparison = run(Path(scratch), backend, fault)
                for cell, red in red_checks(comparison).items():
                    lines.append({"backend": backend, "fault": fault, "cell": cell, "red": red})


def _compare_code(folder: Path, backend: str, fault: str) -> Path:
    """A live comparison of an adapter with one that has a fault."""
    base, head = (
        _python_with(folder, INJECT=name, INJECT_INTO=backend) for name in ("nothing", fault)
    )
    _run_bench(
        *("compare", "--backends", PLUGIN, "--tasks", CLIPPED),
        *("--probes", "learning", "gradients"),
        *("--base-python", str(base), "--head-python", str(head)),
        *("--results-dir", str(folder), "--run-id", "c"),
    )
    return folder / "c"


def _compare_settings(folder: Path, backend: str, fault: str) -> Path:
    """A comparison of two stored runs with different options."""
    runs = folder / "runs"
    for name, options in zip(("base", "head"), IN_THE_SETTINGS[fault], strict=True):
        _run_bench(
            *("--backends", backend, *options, "--probes", "learning", "gradients"),
            *("--seeds", "0,1,2,3,4,5,6,7", "--results-dir", str(runs), "--run-id", name),
        )
    _run_bench(
        *("compare", str(runs / "base"), str(runs / "head")),
        *("--results-dir", str(folder / "comparisons"), "--run-id", "c"),
    )
    return folder / "comparisons" / "c"


def _python_with(folder: Path, **environment: str) -> Path:
    """An interpreter that sets environment variables, and so makes a side of its own."""
    path = folder / "-".join(["python", *environment.values()]).replace(" ", "-")
    assignments = " ".join(f"{name}='{value}'" for name, value in environment.items())
    path.write_text(f'#!/bin/sh\n{assignments} exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def _run_bench(*words: str) -> None:
    command = [sys.executable, str(ROOT / "run_bench.py"), *words]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def red_checks(comparison: Path) -> dict[str, list[str]]:
    """The red checks, by model."""
    red: dict[str, list[str]] = {}
    for finding in json.loads((comparison / "verdict.json").read_text())["findings"]:
        checks = red.setdefault(finding["cell"], [])
        if finding["verdict"] in RED:
            checks.append(finding["check"])
    return red
