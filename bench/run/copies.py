"""Copies of a repository's modules elsewhere: in another clone, or installed without a name.

A loaded file is a copy if a module of the side's tree is imported by the same name and the
repository holds the very content of the file, in whatever commit.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from bench.run.ask_git import ask_git

PACKAGE = "__init__.py"
VENDORED = (
    *("vendor", "_vendor", "vendored", "third_party", "extern", "external"),
    *("site-packages", "dist-packages"),
)
"""Folders with modules of others."""


def copied_files(loaded: Iterable[str], tree: str, excluded: Iterable[str]) -> list[str]:
    """The loaded files outside the tree that are copies and not among the files and folders
    `excluded`, sorted.
    A module that has no content has no copies."""
    imported = _import_paths(tree)
    folders = [tree, *excluded]
    candidates = sorted(
        file
        for file in loaded
        if file.endswith(".py")
        and not any(file == f or file.startswith(f.rstrip(os.sep) + os.sep) for f in folders)
        and not imported.isdisjoint(_ends(file))
        and _has_content(file)
    )
    return [file for file, held in zip(candidates, _held(candidates, tree), strict=True) if held]


def _import_paths(tree: str) -> set[str]:
    """The paths of the modules that git tracks in a tree, from the folder that Python's path must
    name for their import: `kern/fast.py`."""
    listed = ask_git(tree, "ls-files", "-z", "*.py").split("\0")
    files = [PurePosixPath(name) for name in listed if name]
    packages = {file.parent for file in files if file.name == PACKAGE}
    paths = set()
    for file in files:
        if not set(file.parts).intersection(VENDORED):
            root = next((f for f in file.parents if f not in packages), PurePosixPath("."))
            paths.add(str(file.relative_to(root)))
    return paths


def _ends(file: str) -> list[str]:
    """The ends of a path: `a/b/c`, `b/c` and `c`."""
    parts = file.split(os.sep)
    return ["/".join(parts[index:]) for index in range(1, len(parts))]


def _has_content(file: str) -> bool:
    with suppress(OSError), open(file, "rb") as content:
        return bool(content.read().strip())
    return False


def _held(files: Sequence[str], tree: str) -> list[bool]:
    """Whether the repository of a tree holds the content of each file."""
    if not files:
        return []
    names = ask_git(tree, "hash-object", "--no-filters", "--", *files).split()
    lines = ask_git(tree, "cat-file", "--batch-check", text="\n".join(names)).splitlines()
    held = [line.split()[1:2] == ["blob"] for line in lines]
    return held if len(held) == len(files) else [False] * len(files)
