"""Imports run one way, frameworks are imported late, and the code is formatted and typed."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FRAMEWORKS, ROOT

import tasks

ALLOWED = {
    "backends": {"backends", "bench.spec"},
    "tasks": {"tasks", "bench.spec"},
    "bench": {"bench"},
    "studies": {"studies", "bench", "tasks", "backends"},
}
"""The packages of this project that each package may import."""
HEAVY = {
    *("torch", "tensorflow", "keras", "jax", "optax", "flax", "equinox"),
    *("onnx", "onnxruntime", "ai_edge_litert"),
}


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


FRAMEWORK_NAME = re.compile(r"torch|tensorflow|keras|jax|flax|equinox|onnx|litert|cudnn")
INITIALISATION = "bench/initialisation.py"
"""Draws the initial weights that frameworks draw by default: its schemes have their names."""


def named_in_code(source: str, name: re.Pattern[str]) -> list[str]:
    """The identifiers and texts that match, docstrings left out."""
    tree = ast.parse(source)
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    words = [
        node.id if isinstance(node, ast.Name) else node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Name)
        or (isinstance(node, ast.Constant) and id(node) not in docstrings)
    ]
    return [word for word in words if isinstance(word, str) and name.search(word.lower())]


def task_names() -> re.Pattern[str]:
    """Every task that has no other meaning in the harness: `memory` is a probe as well."""
    names = sorted(set(tasks.names()) - {"memory"})
    return re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")


def test_bench_names_neither_a_framework_nor_a_task() -> None:
    files = [f for f in (ROOT / "bench").rglob("*.py") if f != ROOT / INITIALISATION]
    patterns = (FRAMEWORK_NAME, task_names())
    named = {str(f): [named_in_code(f.read_text(), p) for p in patterns] for f in files}
    assert not {file: words for file, words in named.items() if any(words)}


def test_named_framework_and_task_are_detected() -> None:
    code = '"""About jax."""\nvalues = {"JAX_PLATFORMS": keras, "task": "adding:short"}'
    assert named_in_code(code, FRAMEWORK_NAME) == ["JAX_PLATFORMS", "keras"]
    assert named_in_code(code, task_names()) == ["adding:short"]


@pytest.mark.parametrize(
    "code",
    [
        "import run_bench; run_bench.main(['list'])",
        "import backends; [backends.load(n) for n in backends.names()]",
        "import tasks; [tasks.load(n) for n in tasks.names()]",
        "import bench.run.run_command, bench.run.worker, bench.report.files, bench.report.terminal",
    ],
)
def test_loading_adapters_tasks_and_commands_imports_no_framework(code: str) -> None:
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
def test_code_passes_the_linter_the_formatter_and_the_type_checker(command: list[str]) -> None:
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
