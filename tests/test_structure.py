"""The architecture holds: imports run one way, frameworks come late, one style everywhere."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FRAMEWORKS, ROOT

ALLOWED = {
    "backends": {"backends", "bench.spec"},
    "tasks": {"tasks", "bench.spec"},
    "bench": {"bench"},
    "studies": {"studies", "bench", "tasks", "backends"},
}
HEAVY = {"torch", "tensorflow", "keras", "jax", "optax", "flax", "equinox", "onnx", "onnxruntime"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def foreign(source: str, allowed: set[str]) -> list[str]:
    """Imports of the project's own packages beyond those allowed."""
    own = [name for name in imported(ast.parse(source)) if name.split(".")[0] in ALLOWED]
    return [n for n in own if not any(n == a or n.startswith(a + ".") for a in allowed)]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(f): foreign(f.read_text(), ALLOWED[package]) for f in files}
    assert not {name: found for name, found in wrong.items() if found}


def test_an_import_against_the_grain_is_found() -> None:
    assert foreign("from bench.run.runner import Run", ALLOWED["backends"]) == ["bench.run.runner"]
    assert foreign("import backends", ALLOWED["bench"]) == ["backends"]


@pytest.mark.parametrize(
    "what",
    [
        "import run_bench; run_bench.main(['list'])",
        "import backends; [backends.load(n) for n in backends.names()]",
        "import tasks; [tasks.load(n) for n in tasks.names()]",
        "import bench.run.run_command, bench.run.worker, bench.report.files, bench.report.terminal",
    ],
)
def test_no_framework_is_imported_by(what: str) -> None:
    code = f"{what}\nimport sys; sys.exit(' '.join({HEAVY!r} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_four_frameworks_are_installed(chosen: list[str]) -> None:
    """Nothing is skipped for want of a framework: its absence is a failure."""
    import importlib

    if set(chosen) != set(FRAMEWORKS):
        pytest.skip("some backends were selected by --backends")
    for name in FRAMEWORKS:
        importlib.import_module(name)


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["lint", "format", "types"],
)
def test_the_code_passes(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_of_a_package_is_installed() -> None:
    import tomllib

    known = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(known["tool"]["setuptools"]["packages"])
    there = {
        ".".join(Path(f).relative_to(ROOT).parent.parts)
        for package in ALLOWED
        for f in (ROOT / package).rglob("*.py")
    }
    assert there == listed
