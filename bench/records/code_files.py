"""The files of code in a folder."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

SOURCE_SUFFIXES = (".pyx", ".c", ".cc", ".cpp", ".h", ".hpp", ".cu", ".cuh")
"""Sources that are compiled."""
SUFFIXES = (".py", ".so", ".pyd", ".ptx", ".cubin", *SOURCE_SUFFIXES)
"""Python, compiled modules, and sources that an adapter may compile as it is loaded."""
MOST_FILES = 1000
"""A folder with more files of code is read up to here."""
SHARED_FOLDERS = ("site-packages", "dist-packages")
"""Folders whose files do not belong together."""


def code_files(folder: Path) -> list[Path]:
    """The Python files and compiled modules in a folder and in its packages, sorted."""
    return sorted(islice(_walk(folder), MOST_FILES))


def _walk(folder: Path) -> Iterator[Path]:
    """The code below a folder. A subfolder without code of its own is not searched: it is no
    package, and may be a home folder's whole tree."""
    for path, folders, names in os.walk(folder):
        code = sorted(name for name in names if name.endswith(SUFFIXES))
        if Path(path) != folder and not code:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        files = (Path(path) / name for name in code)
        yield from (file for file in files if os.access(file, os.R_OK) and file.is_file())
