"""How long a comparison of three cells takes: a side against itself, with everything that is
compared unless the user says otherwise."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.guard_rates.collect import ROOT
from studies.json_lines import JsonLines

DURATION_LINES = "durations.jsonl"


def time_comparisons(folder: Path, names: Sequence[str]) -> None:
    """Record the seconds, pairs and verdict of one comparison of each backend."""
    lines = JsonLines(folder / DURATION_LINES)
    lines.clear()
    for backend in names:
        lines.append({"backend": backend, **_comparison(backend)})


def _comparison(backend: str) -> dict[str, Any]:
    with TemporaryDirectory() as scratch:
        command = [sys.executable, str(ROOT / "run_bench.py"), "compare", "--aa"]
        options = ["--backends", backend, "--results-dir", scratch, "--run-id", "c"]
        start = time.perf_counter()
        subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=False)
        seconds = time.perf_counter() - start
        verdict = json.loads((Path(scratch) / "c" / "verdict.json").read_text())
    pairs = max(finding["pairs"] for finding in verdict["findings"])
    return {"seconds": round(seconds, 1), "pairs": pairs, "verdict": verdict["verdict"]}
