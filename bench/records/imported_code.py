"""The code that an adapter or a task imports from elsewhere, found without importing it."""

import ast
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from bench.records.code_files import SHARED_FOLDERS, code_files

MOST_SOURCE = 1 << 24
"""Bytes of a source file; the imports of a longer one are not followed."""


def imported_files(files: Iterable[Path], excluded: Sequence[Path]) -> dict[str, Path]:
    """The files of the packages and modules that these files import, directly or through others, by
    their names such as `kernels/fast.py`, sorted.

    The standard library, installed packages and what is in the `excluded` folders are left out. An
    import whose module is computed is not seen.
    """
    files_by_name: dict[str, Path] = {}
    pending, followed = [*files], set(sys.stdlib_module_names)
    while pending:
        names = imported_names(pending.pop()) - followed
        followed |= names
        for place in (place for name in names for place in _places(name)):
            if not _is_excluded(place, excluded):
                imported = code_files(place) if place.is_dir() else [place] * place.is_file()
                for file in imported:
                    files_by_name[file.relative_to(place.parent).as_posix()] = file
                pending += imported
    return dict(sorted(files_by_name.items()))


def imported_names(file: Path) -> set[str]:
    """The first words of the names of all modules that a Python file imports."""
    names: set[str] = set()
    with suppress(OSError, SyntaxError, ValueError, RecursionError):
        is_source = file.suffix == ".py" and file.stat().st_size <= MOST_SOURCE
        for node in ast.walk(ast.parse(file.read_bytes() if is_source else b"")):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


def _places(name: str) -> list[Path]:
    """The folders of a package, or the file of a module; none where there is no such module."""
    with suppress(ImportError, ValueError, AttributeError):
        if spec := find_spec(name):
            origin = [spec.origin] if spec.origin and spec.has_location else []
            return [Path(place).resolve() for place in spec.submodule_search_locations or origin]
    return []


def _is_excluded(place: Path, excluded: Sequence[Path]) -> bool:
    return any(part in SHARED_FOLDERS for part in place.parts) or any(
        place.is_relative_to(folder) for folder in excluded
    )
