"""Backends in several folders of a repository: does each of them get its own modules?

All adapters of a side share one path, and each folder of an adapter is on it.
"""

from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from bench.compare.guarded_code import import_folders
from bench.compare.sides import HARNESS_PACKAGES
from bench.records.code_files import code_files
from bench.records.imported_code import imported_names
from bench.spec import Unavailable


def check_own_modules(adapters: Sequence[str], named: Sequence[str], tree: Path) -> None:
    """Raise `Unavailable` where an adapter would import another adapter's module by a name of its
    own. `named` are the folders that the user named, see `import_folders`."""
    shared = import_folders(adapters, named, tree)
    for adapter in adapters:
        own = import_folders([adapter], named, tree)
        for name in _reached_names(Path(adapter), own) if own != shared else ():
            found = _find(name, shared)
            if found and found != _find(name, own):
                raise Unavailable(
                    f"{adapter} would import {name!r} from {found}, which another backend brings: "
                    "compare backends that have different modules of one name one at a time"
                )


def _reached_names(adapter: Path, folders: Sequence[str]) -> Iterator[str]:
    """The modules that an adapter imports, directly or through modules in these folders."""
    pending, reached = [adapter], set(HARNESS_PACKAGES)
    while pending:
        names = imported_names(pending.pop()) - reached
        reached |= names
        yield from sorted(names)
        for file in filter(None, (_find(name, folders) for name in names)):
            pending += code_files(file.parent) if file.name == "__init__.py" else [file]


def _find(name: str, folders: Sequence[str]) -> Path | None:
    """The file of a module that Python finds in these folders; None for a namespace."""
    spec = PathFinder.find_spec(name, list(folders))
    return Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None
