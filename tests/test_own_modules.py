"""Backends in several folders, with modules of one name: none gets the module of another."""

from itertools import permutations
from pathlib import Path

import pytest
from conftest import ROOT
from test_compare_sides import git

import backends
from bench.compare.choose_sides import open_sides
from bench.compare.options import CompareOptions
from bench.compare.own_modules import check_own_modules
from bench.spec import Unavailable


def adapters(tree: Path, modules: str, imports: str = "import kern") -> list[str]:
    """Adapters in the folders `a` and `b`, which import something, and these other files."""
    files = {"a/one.py": imports, "b/two.py": imports}
    for name, text in {**dict.fromkeys(modules.split(), ""), **files}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return [str(tree / name) for name in files]


@pytest.mark.parametrize(
    ("modules", "imports"),
    [
        ("a/kern.py b/kern.py", "import kern"),
        ("a/kern/__init__.py b/kern.py", "def late():\n    from kern import work"),
        ("kern.py b/kern.py", "import kern"),
        ("a/src/kern.py b/src/kern.py", "import kern"),
        ("b/numpy.py", "import numpy"),
    ],
)
def test_module_of_another_backend_is_refused(modules: str, imports: str, tmp_path: Path) -> None:
    for order in permutations(adapters(tmp_path, modules, imports)):
        with pytest.raises(Unavailable, match="one at a time"):
            check_own_modules(order, [], tmp_path)


def test_module_that_only_a_module_imports_is_refused(tmp_path: Path) -> None:
    files = adapters(tmp_path, "a/deep.py b/deep.py")
    (tmp_path / "kern.py").write_text("import deep")
    with pytest.raises(Unavailable, match=r"'deep' from .*/a/deep.py"):
        check_own_modules(files, [], tmp_path)


@pytest.mark.parametrize(
    "modules",
    [
        "kern.py",
        "src/kern/__init__.py a/other.py b/other.py",
        "kern.py a/conftest.py b/conftest.py a/__init__.py b/__init__.py",
        "kern.py b/bench/__init__.py b/os/notes.py",
    ],
)
def test_backends_that_share_their_modules_are_compared_together(
    modules: str, tmp_path: Path
) -> None:
    files = adapters(tmp_path, modules, "import os, kern\nfrom bench import spec")
    check_own_modules(files, [], tmp_path)
    check_own_modules(files[:1], [], tmp_path)


def test_sides_are_opened_only_if_each_backend_gets_its_own_modules(tmp_path: Path) -> None:
    files = adapters(tmp_path, "a/kern.py b/kern.py kern.c")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(tmp_path, *words)
    (tmp_path / "kern.c").write_text("int changed;")
    options, entry = CompareOptions(base="HEAD"), ROOT / "run_bench.py"
    with (
        pytest.raises(Unavailable, match="one at a time"),
        open_sides(options, files, entry, backends, 0.0),
    ):
        pass
    with open_sides(options, files[:1], entry, backends, 0.0) as sides:
        assert [side.guarded and side.guarded.changed_sources for side in sides] == [True, True]
