"""Digests of the code that decides what a case measures."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

SUFFIXES = (".py", ".so", ".pyd")
MOST_FILES = 1000
"""A folder with more files of code is read up to here."""
HARNESS = ("gate", "probes", "spec")
"""The packages of `bench` that decide, beside its own modules."""
SHARED_FOLDERS = ("site-packages", "dist-packages")
"""Folders whose files do not belong together."""


@dataclass
class CodeDigests:
    """The digests of adapters, tasks and the harness, each read once.

    `load_backend` and `load_task` give a module by its name; `checkout` holds the harness.
    """

    load_backend: Callable[[str], Any]
    load_task: Callable[[str], Any]
    checkout: Path
    _known: dict[tuple[str, str], dict[str, str | None]] = field(default_factory=dict)

    def of(self, backend: str, task: str) -> dict[str, str | None]:
        """The digests of all code that decides what a case of this backend and task measures."""
        if (backend, task) not in self._known:
            self._known[backend, task] = {
                "adapter": module_digest(self.load_backend(backend)),
                "task": module_digest(self.load_task(task)),
                "harness": harness_digest(self.checkout),
            }
        return self._known[backend, task]


def module_digest(module: Any) -> str | None:
    """The digest of a module and all code in its folder; None for a module without a file."""
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    alone = path.parent.name in SHARED_FOLDERS
    return digest([path] if alone else code_files(path.parent), path.parent)


def harness_digest(checkout: Path) -> str:
    """The digest of the gate, the probes and the contract in a checkout of this project."""
    folders = [checkout / "bench" / name for name in HARNESS]
    own = sorted((checkout / "bench").glob("*.py"))
    return digest([*own, *(file for folder in folders for file in code_files(folder))], checkout)


def digest(files: Iterable[Path], root: Path) -> str:
    """The digest of the names below `root`, and of the contents, of these files."""
    total = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()[:12]


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
