"""Digests of the code that decides what a case measures."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.records.code_files import SHARED_FOLDERS, code_files
from bench.records.imported_code import imported_files

HARNESS = ("gate", "probes", "spec")
"""The packages of `bench` that decide, beside its own modules."""

MOST_BYTES, PIECE = 1 << 30, 1 << 20
"""Bytes of a file that its digest is made of, and those that are read at once."""


@dataclass
class CodeDigests:
    """The digests of adapters, tasks and the harness, each read once.

    `load_backend` and `load_task` give a module by its name; `checkout` holds the harness.
    """

    load_backend: Callable[[str], Any]
    load_task: Callable[[str], Any]
    checkout: Path
    _digests: dict[tuple[str, str], dict[str, str | None]] = field(default_factory=dict)

    def of(self, backend: str, task: str) -> dict[str, str | None]:
        """The digests of all code that decides what a case of this backend and task measures."""
        if (backend, task) not in self._digests:
            self._digests[backend, task] = {
                "adapter": module_digest(self.load_backend(backend), self.checkout),
                "task": module_digest(self.load_task(task), self.checkout),
                "harness": harness_digest(self.checkout),
            }
        return self._digests[backend, task]


def module_digest(module: Any, checkout: Path) -> str | None:
    """The digest of a module, of all code in its folder, and of what these import that is neither
    installed nor in the checkout; None for a module without a file."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    path, checkout = Path(file).resolve(), checkout.resolve()
    folder, alone = path.parent, path.parent.name in SHARED_FOLDERS
    files = [path] if alone else code_files(folder)
    imported = {} if path.is_relative_to(checkout) else imported_files(files, [checkout, folder])
    return digest(
        {**_named(files, folder), **{f"import {name}": file for name, file in imported.items()}}
    )


def harness_digest(checkout: Path) -> str:
    """The digest of the gate, the probes and the contract in a checkout of this project."""
    folders = [checkout / "bench" / name for name in HARNESS]
    top_level = sorted((checkout / "bench").glob("*.py"))
    files = [*top_level, *(file for folder in folders for file in code_files(folder))]
    return digest(_named(files, checkout))


def digest(files: Mapping[str, Path]) -> str:
    """The digest of the names and the contents of these files."""
    total = hashlib.sha256()
    for name, file in files.items():
        total.update(f"{name} {_content_digest(file)}\n".encode())
    return total.hexdigest()[:12]


def _content_digest(file: Path) -> str:
    """The digest of a file's contents; of a file above `MOST_BYTES` that of its beginning and its
    size."""
    content = hashlib.sha256()
    with file.open("rb") as stream:
        for _ in range(MOST_BYTES // PIECE):
            content.update(stream.read(PIECE))
        if (size := os.fstat(stream.fileno()).st_size) > MOST_BYTES:
            content.update(f"{size} bytes".encode())
    return content.hexdigest()


def _named(files: Iterable[Path], root: Path) -> dict[str, Path]:
    return {file.relative_to(root).as_posix(): file for file in files}
