"""Copies of a repository's modules elsewhere, which both sides would load."""

from pathlib import Path

import pytest
from test_compare_sides import git
from test_untracked_files import write

from bench.run.copies import copied_files

KERNEL = "def work():\n    return 1\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with the package `kern` of several modules, a module alone, and others' code.
    The head has changed all kernels."""
    folder = tmp_path / "tree"
    git_files = ("packages/kern/src/kern/fast.py", "lib/alone.py", "third_party/six.py")
    git_files += ("kernels/torch/nn.py", "kernels/torch/__init__.py", "kernels/__init__.py")
    write(folder / "packages" / "kern" / "src" / "kern" / "__init__.py", "")
    for name in git_files:
        write(folder / name, KERNEL)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(folder, *words)
    for name in git_files:
        write(folder / name, "def work():\n    return 2\n")
    git(folder, "commit", "-qam", "two")
    return folder


@pytest.mark.parametrize(
    "name", ["clone/src/kern/fast.py", "site-packages/kern/fast.py", "clone/lib/alone.py"]
)
def test_module_of_another_clone_or_an_installed_copy_is_found(
    name: str, tree: Path, tmp_path: Path
) -> None:
    copy = write(tmp_path / name, KERNEL)
    assert copied_files([copy, str(tree / "lib" / "alone.py")], str(tree), []) == [copy]
    for excluded in (copy, str(Path(copy).parents[1])):
        assert copied_files([copy], str(tree), [excluded]) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("site-packages/kern/fast.py", "def of_another_project():\n    pass\n"),
        ("site-packages/kern/__init__.py", ""),
        ("site-packages/six.py", KERNEL),
        ("site-packages/torch/nn.py", KERNEL),
        ("site-packages/other.py", KERNEL),
        ("site-packages/fast.py", KERNEL),
    ],
)
def test_modules_of_others_are_no_copies(name: str, text: str, tree: Path, tmp_path: Path) -> None:
    assert copied_files([write(tmp_path / name, text)], str(tree), []) == []


def test_folder_without_a_repository_has_no_copies(tmp_path: Path) -> None:
    copy = write(tmp_path / "clone" / "kern.py", KERNEL)
    write(tmp_path / "tree" / "kern.py", KERNEL)
    assert copied_files([copy], str(tmp_path / "tree"), []) == []
