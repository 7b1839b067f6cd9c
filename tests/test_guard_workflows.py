"""The workflows to copy: they are valid, and green on a pass and on noise only."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from bench.compare.decision import Verdict

WORKFLOWS = ("guard.yml", "guard-kernels.yml")
STAND_IN = """#!/bin/sh
mkdir -p results/comparisons/guard
echo '{{"verdict": "{verdict}"}}' > results/comparisons/guard/verdict.json
echo "$@" > arguments
exit {code}
"""
"""Stands in for the interpreter: writes a verdict and ends as a comparison would."""


def workflow(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docs" / name).read_text())
    return content


def steps(name: str) -> list[dict[str, Any]]:
    (job,) = workflow(name)["jobs"].values()
    return list(job["steps"])


def compare_step(name: str) -> dict[str, Any]:
    return next(step for step in steps(name) if step.get("name") == "Compare")


def run_compare_step(name: str, folder: Path, code: int, verdict: str, **variables: str) -> Any:
    """Run the step as GitHub does, with a stand-in for the comparison."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(code=code, verdict=verdict))
    python.chmod(0o755)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**workflow(name).get("env", {}), "GITHUB_BASE_REF": "main", **variables}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", compare_step(name)["run"]],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow_has_what_github_requires(name: str) -> None:
    content = workflow(name)
    assert content[True] == "pull_request"  # YAML reads the key `on` as true
    for step in steps(name):
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert step["uses"].count("@v") == 1
    checkout = next(step for step in steps(name) if "checkout" in step.get("uses", ""))
    assert checkout["with"]["fetch-depth"] == 0
    upload = next(step for step in steps(name) if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize(
    ("code", "verdict", "expected"),
    [
        (0, "pass", 0),
        (1, "regressed", 1),
        (1, "failed", 1),
        (2, "", 2),
        (3, Verdict.INCONCLUSIVE, 0),
        (3, Verdict.NOT_COMPARABLE, 3),
        (143, "", 143),
    ],
)
def test_workflow_is_green_on_a_pass_and_on_noise_only(
    name: str, code: int, verdict: str, expected: int, tmp_path: Path
) -> None:
    done = run_compare_step(name, tmp_path, code, verdict)
    assert done.returncode == expected, done.stderr
    assert ("::warning::" in done.stdout) == (verdict == Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("build", ["", "pip install --no-deps ."])
def test_command_of_the_kernels_workflow_is_understood(build: str, tmp_path: Path) -> None:
    from run_bench import compare_parser

    run_compare_step("guard-kernels.yml", tmp_path, 0, "pass", BUILD=build)
    words = (tmp_path / "arguments").read_text().split()
    assert words[:2] == ["run_bench.py", "compare"]
    given = words[2:]
    if build:
        place = given.index("--build")
        given[place + 1 : place + 5] = [build]
    parsed = compare_parser().parse_args(given)
    assert parsed.base == "origin/main"
    assert getattr(parsed, "build", None) == (build or None)
