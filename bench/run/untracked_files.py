"""Files that a side's code uses and that its commit does not hold.

A library or a generated module can lie beside the sources without being built from them, and the
other side has none: its code then falls back on something slower. The same holds for data that the
code names, and for a file in whose place the side has a pointer of Git LFS.
"""

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from bench.run.ask_git import ask_git

VERSION_FILES = ("_version.py", "version.py", "__about__.py")
"""Modules that hold the version of a package: build tools write them, and git ignores them."""
LIBRARY_MARKS = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ")
"""What a library begins with on Linux, on macOS (one kind of processor or several) and Windows."""
POINTER = b"version https://git-lfs.github.com/spec/"
MOST_POINTER_BYTES = 1024
LONGEST_NAME = 255
"""The longest text that is looked for as the name of a file."""


def stale_files(files: Iterable[str], tree: str, since: float) -> list[str]:
    """The files of a tree that were there before `since`, the time at which the comparison began,
    and that no commit can hold, sorted: git ignores them, or they are compiled and not tracked."""
    older = {file for file in files if _created(file) < since} - _tracked(tree)
    candidates = sorted(f for f in older if os.path.basename(f) not in VERSION_FILES)
    ignored = set(_ignored(candidates, tree))
    return [file for file in candidates if file in ignored or _is_library(file)]


def pointers(files: Iterable[str]) -> list[str]:
    """The files that Git LFS has not fetched, sorted."""
    return sorted(file for file in files if _is_pointer(file))


def used_files(loaded: Iterable[str], tree: str, others: Iterable[str]) -> set[str]:
    """The loaded files that lie in a tree, and the files there that one of them names. What lies in
    the folders `others` is left out."""
    folders = [folder for folder in others if _is_within(folder, tree)]

    def is_own(file: str) -> bool:
        return _is_within(file, tree) and not any(_is_within(file, f) for f in folders)

    own = set(filter(is_own, loaded))
    named = {os.path.realpath(name) for file in own for name in _named_files(file, tree)}
    return own | set(filter(is_own, named))


def _named_files(file: str, tree: str) -> Iterator[str]:
    """The files whose names are texts in a Python file, beside it or in a folder above it."""
    nodes: Iterable[ast.AST] = ()
    with suppress(OSError, SyntaxError, ValueError, RecursionError):
        nodes = ast.walk(ast.parse(Path(file).read_bytes() if file.endswith(".py") else b""))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    names = [text for text in texts if isinstance(text, str) and 0 < len(text) <= LONGEST_NAME]
    folders = [str(folder) for folder in Path(file).parents if _is_within(str(folder), tree)]
    for path in (os.path.join(folder, name) for name in names for folder in folders):
        with suppress(ValueError):  # no path has a zero in it
            if os.path.isfile(path):
                yield path


def _is_within(file: str, folder: str) -> bool:
    return file == folder or file.startswith(folder.rstrip(os.sep) + os.sep)


def _created(file: str) -> float:
    """When a file came into its place, in seconds since 1970; infinity for one that is gone. A copy
    may have kept the time at which its original was written."""
    with suppress(OSError):
        return max(os.stat(file).st_mtime, os.stat(file).st_ctime)
    return float("inf")


def _is_library(file: str) -> bool:
    with suppress(OSError), open(file, "rb") as content:
        return content.read(4).startswith(LIBRARY_MARKS)
    return False


def _is_pointer(file: str) -> bool:
    with suppress(OSError):
        if os.path.getsize(file) <= MOST_POINTER_BYTES:
            return Path(file).read_bytes().startswith(POINTER)
    return False


def _tracked(tree: str) -> set[str]:
    """The files that git tracks in a tree and in those of its submodules that git knows to be
    active."""
    listed = ask_git(tree, "ls-files", "-z", "--recurse-submodules")
    return {os.path.join(tree, name) for name in listed.split("\0") if name}


def _ignored(files: Sequence[str], tree: str) -> Iterator[str]:
    """The files that git ignores: in their own repository, which may be a submodule or another
    clone, or with their folder."""
    for folder, group in groupby(files, os.path.dirname):
        beside = list(group)
        if folder != tree and ask_git(tree, "check-ignore", "--", os.path.relpath(folder, tree)):
            yield from beside
        names = "\0".join(map(os.path.basename, beside))
        ignored = ask_git(folder, "check-ignore", "-z", "--stdin", text=names).split("\0")
        yield from (os.path.join(folder, name) for name in ignored if name)
