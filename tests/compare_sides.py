"""Comparisons that run for real: interpreters as sides, and the verdicts that were written."""

import json
import sys
from pathlib import Path
from typing import Any

from running import bench, bench_inside

INJECTED = "studies/guard_rates/injected_backend.py"


def python_with(folder: Path, **variables: str) -> Path:
    """An interpreter that sets these environment variables: a side of its own."""
    path = folder / "-".join(["python", *variables.values()]).replace(" ", "-")
    assignments = " ".join(f"{name}='{value}'" for name, value in variables.items())
    path.write_text(f'#!/bin/sh\n{assignments} exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def compare(root: Path, *arguments: str | Path, **options: Any) -> Any:
    """Run a small comparison into `root / "c"`: within this process, which has imported everything
    already, unless there are `options` of `running.bench`."""
    small = ("--cells", "lstm", "--threads", "1", "--pairs", "6", "--excluded", "0.5")
    words = ("compare", *small, *arguments, "--results-dir", root, "--run-id", "c")
    return bench(*words, **options) if options else bench_inside(*words)


def compare_with_fault(root: Path, fault: str, *arguments: str | Path, **options: Any) -> Any:
    """Compare a backend without a fault, as the base, with one that has it."""
    sound, faulty = python_with(root, INJECT="nothing"), python_with(root, INJECT=fault)
    sides = ("--base-python", sound, "--head-python", faulty, "--backends", INJECTED)
    return compare(root, *sides, *arguments, **options)


def findings(root: Path) -> list[dict[str, Any]]:
    """The findings of the comparison `c`."""
    read: list[dict[str, Any]] = json.loads((root / "c" / "verdict.json").read_text())["findings"]
    return read


def verdicts(root: Path) -> dict[str, str]:
    """The verdict on each check of the only row."""
    return {finding["check"]: finding["verdict"] for finding in findings(root)}
