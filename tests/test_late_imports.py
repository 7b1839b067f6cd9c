"""Commands import only the packages that they need: `--help` and `list` are quick."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from running import bench, copy_run

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "optax"}
NEEDED_TO_MEASURE = {
    *("asyncio", "psutil", "rich", "pandas", "matplotlib", "scipy", "ruptures"),
    *("bench.run.runner", "bench.analysis.tables"),
}


def imported_by(*arguments: str | Path) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "run_bench.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("list", "--help"),
        ("list",),
        ("list", "--limits"),
        ("list", "adding"),
    ],
)
def test_help_and_list_import_no_framework_and_nothing_that_only_measuring_needs(
    words: tuple[str, ...],
) -> None:
    modules = imported_by(*words)
    assert "run_bench" not in modules
    assert "bench.spec" in modules
    assert modules & (FRAMEWORKS | NEEDED_TO_MEASURE) == set()


def test_planning_and_reporting_import_no_framework(finished_run: Path, tmp_path: Path) -> None:
    copy_run(finished_run, tmp_path)
    root = ("--results-dir", tmp_path)
    reporting = imported_by("report", "r", *root)
    assert "matplotlib" in reporting
    assert not reporting & FRAMEWORKS
    planning = imported_by("--tasks", "adding", "--dry-run", *root)
    assert "bench.plan.cases" in planning
    assert not planning & FRAMEWORKS


def test_report_draws_under_the_variables_of_a_notebook(finished_run: Path, tmp_path: Path) -> None:
    copy_run(finished_run, tmp_path)
    notebook = {"MPLBACKEND": "module://not_installed.inline"}
    done = bench("report", "r", "--results-dir", tmp_path, environment=notebook)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.rglob("*.png"))
