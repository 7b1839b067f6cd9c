"""Files that a side's code uses and that its commit does not hold."""

import os
import time
from pathlib import Path

import pytest
from test_compare_sides import git

from bench.run.untracked_files import pointers, stale_files, used_files

LIBRARY = "\x7fELF"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
IGNORED = "*.gen.py\n*.json\nlocal/\nthird_party/\n_version.py\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository whose commit has one kernel, which names two files."""
    folder = tmp_path / "tree"
    write(folder / "src" / "kern.py", "DATA = 'tuning.json', 'local/sizes.txt', 'a\\0b'")
    write(folder / ".gitignore", IGNORED)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(folder, *words)
    return folder


def write(file: Path, text: str = "def work(): pass") -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def stale(tree: Path, *loaded: str, since: float | None = None) -> list[str]:
    used = used_files([str(tree / "src" / "kern.py"), *loaded], str(tree), [str(tree / ".venv")])
    return stale_files(used, str(tree), time.time() + 60 if since is None else since)


def test_files_that_no_commit_can_hold_are_stale(tree: Path) -> None:
    generated = write(tree / "src" / "kern.gen.py")
    library = write(tree / "build" / "kern.so", LIBRARY)
    nested = write(tree / "third_party" / "other" / "kern.py")
    for words in (["init", "-q"], ["add", "."]):
        git(Path(nested).parent, *words)
    assert stale(tree, generated, library, nested) == [library, generated, nested]
    os.utime(library, (1e9, 1e9))
    built = "built by the comparison, or copied with the time of its original"
    assert stale(tree, generated, library, nested, since=time.time() - 60) == [], built


def test_ignored_data_that_the_code_names_is_stale(tree: Path) -> None:
    write(tree / "src" / "other.json")
    named = [write(tree / "local" / "sizes.txt"), write(tree / "src" / "tuning.json")]
    assert stale(tree) == named
    assert stale_files(used_files([], str(tree), []), str(tree), time.time() + 60) == []


def test_files_of_an_honest_checkout_are_not_stale(tree: Path) -> None:
    submodule = tree.parent / "submodule"
    write(submodule / "deep.py")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(submodule, *words)
    add = ("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(submodule), "sub")
    git(tree, *add)
    changed, new = write(tree / "src" / "kern.py", "1"), write(tree / "src" / "new.py")
    tracked = write(tree / "kern.so", LIBRARY)
    git(tree, "add", "kern.so")
    files = [changed, new, tracked, str(tree / "sub" / "deep.py"), write(tree / "_version.py")]
    files += [
        write(tree / ".venv" / "lib" / "kern.so", LIBRARY),
        write(tree.parent / "kern.gen.py"),
    ]
    git(tree, "config", "--remove-section", "submodule.sub")
    assert stale(tree, *files, str(tree / "gone.gen.py")) == []


def test_library_that_is_ignored_in_a_submodule_is_stale(tree: Path) -> None:
    write(tree / "sub" / ".gitignore", "*.gen.py")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(tree / "sub", *words)
    generated = write(tree / "sub" / "deep.gen.py")
    git(tree, "add", "sub")
    assert stale(tree, generated) == [generated]


def test_pointer_in_the_place_of_a_file_is_named(tree: Path) -> None:
    pointer = write(tree / "src" / "tuning.json", POINTER)
    write(tree / "local" / "sizes.txt", f"see {POINTER}")
    assert pointers(used_files([str(tree / "src" / "kern.py")], str(tree), [])) == [pointer]
