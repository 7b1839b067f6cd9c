"""Where the code of a process comes from: the loaded files that are not its side's own.

Python modules, live functions and shared libraries count as loaded. A file is foreign if it lies in
another checkout of the guarded repository, or in an installed copy of one of its packages.
"""

import gc
import json
import os
import site
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import FunctionType
from urllib.parse import unquote, urlparse

HARNESS = os.path.realpath(Path(__file__).parents[2])
SITE_NAMES = ("site-packages", "dist-packages")
ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
"""What the root of a Python environment holds."""
LIBRARY_SUFFIXES = (".so", ".pyd", ".dylib")
NAMED_FILES = 3
"""The most files that a reason names."""


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """The repository that a comparison guards, as one side sees it. Paths are resolved."""

    own: Sequence[str]
    """The side's tree, and the environment that was built for it."""
    checkouts: Sequence[str]
    """Every checkout of the repository, the side's own included."""
    projects: Sequence[str]
    """The names of the repository's packages, as pip knows them."""

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Guarded":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def why_foreign(guarded: Guarded) -> str | None:
    """Which files of this process are not its side's own, in words; None if all are."""
    files = foreign_files(guarded)
    if not files:
        return None
    named = ", ".join(files[:NAMED_FILES])
    others = f" and {len(files) - NAMED_FILES} more" if len(files) > NAMED_FILES else ""
    return f"loads {named}{others}, not the code in {guarded.own[0]}"


def foreign_files(guarded: Guarded) -> list[str]:
    """The loaded files of the guarded repository that are not the side's own, sorted."""
    copies, roots = _installed_copies(guarded)
    checkouts = {*guarded.checkouts, *roots}
    others = {*_environments(), HARNESS, *guarded.own}
    return sorted(
        file
        for file in loaded_files()
        if file in copies or _deepest(file, checkouts | others) in checkouts - {*guarded.own}
    )


def loaded_files() -> set[str]:
    """The resolved paths of all files with code that this process has loaded. The tasks that the
    user gave as files are left out: both sides use the same file."""
    modules = list(sys.modules.items())
    tasks = {_module_file(module) for name, module in modules if os.sep in name}
    names = {_module_file(module) for _, module in modules}
    names |= {f.__code__.co_filename for f in gc.get_objects() if type(f) is FunctionType}
    names -= tasks
    files = {name for name in names if name and not name.startswith("<")}
    return _resolved(files | _mapped_libraries())


def _resolved(files: Iterable[str]) -> set[str]:
    """The resolved paths of these files; each folder is resolved once, for there are thousands."""
    folders: dict[str, str] = {}
    resolved = set()
    for file in files:
        folder, name = os.path.split(os.path.abspath(file))
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        path = os.path.join(folders[folder], name)
        resolved.add(os.path.realpath(path) if os.path.islink(path) else path)
    return resolved


def _module_file(module: object) -> str | None:
    # Read from the dictionary: the attributes of a lazy module may import something.
    file = getattr(module, "__dict__", {}).get("__file__")
    return file if isinstance(file, str) else None


def _mapped_libraries() -> set[str]:
    """The files whose code is mapped into this process; empty where the system has no /proc."""
    lines: list[str] = []
    with suppress(OSError):
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    fields = (line.split(maxsplit=5) for line in lines)
    return {
        field[5].removesuffix(" (deleted)")
        for field in fields
        if len(field) == 6 and "x" in field[1] and field[5].startswith(os.sep)
    }


def _deepest(file: str, roots: Iterable[str]) -> str | None:
    """The deepest of these folders that holds the file."""
    return max((root for root in roots if _within(file, root)), key=len, default=None)


def _within(file: str, root: str) -> bool:
    return file == root or file.startswith(root.rstrip(os.sep) + os.sep)


def _environments() -> set[str]:
    """The Python environments of this process, which may lie inside a checkout."""
    folders = {sys.prefix, sys.base_prefix, *site.getsitepackages()}
    for entry in sys.path:
        if os.path.basename(entry) in SITE_NAMES:
            folders.add(entry)
            folders.update(_marked(Path(entry)))
    return {os.path.realpath(folder) for folder in folders}


def _marked(folder: Path) -> Iterator[str]:
    for parent in folder.parents:
        if any((parent / mark).exists() for mark in ENVIRONMENT_MARKS):
            yield str(parent)
            return


# ---- installed copies ------------------------------------------------------------------------


def _installed_copies(guarded: Guarded) -> tuple[set[str], set[str]]:
    """The files of installed copies of the guarded packages, and the folders that such packages
    were installed from, except those that are the side's own."""
    files: set[str] = set()
    folders: set[str] = set()
    for distribution in _guarded_distributions(guarded):
        if _is_own(os.path.realpath(str(distribution.locate_file(""))), guarded):
            continue
        folder, editable = _direct_url(distribution)
        if folder and not _is_own(folder, guarded):
            folders.add(folder)
        files.update(_installed_files(distribution, editable))
    return files, folders


def _guarded_distributions(guarded: Guarded) -> Iterator[Distribution]:
    """The installed packages that have a name of the guarded packages, or that were installed from
    a checkout."""
    for project in guarded.projects:
        yield from distributions(name=project)
    for distribution in distributions():
        folder, _ = _direct_url(distribution)
        if folder and any(_within(folder, root) for root in guarded.checkouts):
            yield distribution


def _installed_files(distribution: Distribution, editable: bool) -> set[str]:
    files = {str(distribution.locate_file(file)) for file in distribution.files or ()}
    if editable:
        # Otherwise it installs no more than a module that finds the code in its folder.
        files = {file for file in files if file.endswith(LIBRARY_SUFFIXES)}
    return {os.path.realpath(file) for file in files}


def _is_own(path: str, guarded: Guarded) -> bool:
    return any(_within(path, root) for root in guarded.own)


def _direct_url(distribution: Distribution) -> tuple[str | None, bool]:
    """The local folder that a package was installed from, None if it came from elsewhere, and
    whether it is editable."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, OSError):
        origin = json.loads(distribution.read_text("direct_url.json") or "")
        url = urlparse(origin["url"])
        if url.scheme.removeprefix("git+") == "file":
            editable = bool(origin.get("dir_info", {}).get("editable"))
            return os.path.realpath(unquote(url.path)), editable
    return None, False
