"""Imports run one way, frameworks are imported late, and the code is formatted and typed."""

import ast
import importlib
import subprocess
import sys
import tomllib
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
"""The packages of this project that each package may import."""
HEAVY = {"torch", "tensorflow", "keras", "jax", "optax", "flax", "equinox", "onnx", "onnxruntime"}


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """The names of all modules that the code imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def forbidden_imports(source: str, allowed: set[str]) -> list[str]:
    """The imports of this project's packages that are not allowed."""
    modules = [m for m in imported_modules(ast.parse(source)) if m.split(".")[0] in ALLOWED]
    return [m for m in modules if not any(m == a or m.startswith(a + ".") for a in allowed)]


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    forbidden = {str(f): forbidden_imports(f.read_text(), ALLOWED[package]) for f in files}
    assert not {name: modules for name, modules in forbidden.items() if modules}


def test_forbidden_import_is_detected() -> None:
    runner = "from bench.run.runner import Runner"
    assert forbidden_imports(runner, ALLOWED["backends"]) == ["bench.run.runner"]
    assert forbidden_imports("import backends", ALLOWED["bench"]) == ["backends"]


@pytest.mark.parametrize(
    "code",
    [
        "import run_bench; run_bench.main(['list'])",
        "import backends; [backends.load(n) for n in backends.names()]",
        "import tasks; [tasks.load(n) for n in tasks.names()]",
        "import bench.run.run_command, bench.run.worker, bench.report.files, bench.report.terminal",
    ],
)
def test_no_framework_is_imported_by(code: str) -> None:
    code = f"{code}\nimport sys; sys.exit(' '.join({HEAVY!r} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_four_frameworks_are_installed(chosen: list[str]) -> None:
    """A framework that is missing is a failure, not a reason to skip tests."""
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


def test_every_package_is_listed_for_installation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    existing = {
        ".".join(Path(file).relative_to(ROOT).parent.parts)
        for package in ALLOWED
        for file in (ROOT / package).rglob("*.py")
    }
    assert existing == listed
