"""Where the code of a process comes from: the loaded files that are not its side's own.

Python modules, live functions and shared libraries count as loaded. A file is foreign if it lies in
another checkout of the guarded repository, or in a copy of one of its packages.
"""

import json
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlparse

from bench.run.copies import copied_files
from bench.run.loaded_files import loaded_files, module_files
from bench.run.shared_builds import digest_builds, shared_builds
from bench.run.stale_bytecode import stale_bytecode
from bench.run.untracked_files import pointers, stale_files, used_files

HARNESS = os.path.realpath(Path(__file__).parents[2])
HARNESS_CODE = ("run_bench.py", "bench", "backends", "tasks", "studies")
"""What of the harness lies in its folder, which may be one of installed packages."""
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
    since: float | None = None
    """When the comparison began, in seconds since 1970; None where the side's code may be too old
    to know this field."""

    changed_sources: bool | None = None
    """Whether the sides differ in sources from which a kernel may be compiled; None as above."""

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        fields = asdict(self)
        return json.dumps({name: value for name, value in fields.items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> "Guarded":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def why_foreign(guarded: Guarded) -> str | None:
    """Which files of this process are not its side's own, or may not be, in words; None if all
    are."""
    if files := foreign_files(guarded):
        return f"loads {_named(files)}, not the code in {guarded.own[0]}"
    if guarded.since is None:
        return None
    loaded = loaded_files()
    tree, *folders = guarded.own
    others = [*_environments(), HARNESS, *folders]
    if files := shared_builds(loaded, _private_folders(guarded), guarded.since):
        return (
            f"loads {_named(files)}, where the other side may have built it: let the adapter's "
            "`compilation_cache` name its folder, which each side then has for itself"
        )
    used = used_files(loaded, tree, others)
    if files := stale_files(used, tree, guarded.since):
        return (
            f"uses {_named(files)}, which no commit holds and which is older than this comparison: "
            "commit or remove it, or say by --build how both sides are built"
        )
    if files := pointers(used):
        return (
            f"names {_named(files)}, a pointer of Git LFS: after `git lfs install`, a checkout has "
            "the file itself"
        )
    if files := stale_bytecode(used & loaded):
        return f"runs bytecode that {_named(files)} does not compile to: remove its __pycache__"
    return None


def digest_files(guarded: Guarded) -> list[str]:
    """The files that this process loads and that the comparison built under a digest, if sources
    differ from which a side could have built them."""
    if guarded.since is None or not guarded.changed_sources:
        return []
    return digest_builds(loaded_files(), _private_folders(guarded), guarded.since)


def _private_folders(guarded: Guarded) -> list[str]:
    """The folders in which the other side builds nothing."""
    return [*_environments(), HARNESS, *_python_path(), *guarded.own]


def _named(files: Sequence[str]) -> str:
    """The first files, and how many more there are."""
    others = f" and {len(files) - NAMED_FILES} more" if len(files) > NAMED_FILES else ""
    return ", ".join(files[:NAMED_FILES]) + others


def _python_path() -> list[str]:
    entries = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return [os.path.realpath(entry) for entry in entries]


def foreign_files(guarded: Guarded) -> list[str]:
    """The loaded files of the guarded repository that are not the side's own, sorted."""
    loaded, (installed, roots) = loaded_files(), _installed_copies(guarded)
    checkouts = {*guarded.checkouts, *roots}
    others = {*_environments(), HARNESS, *guarded.own}
    harness = [os.path.join(HARNESS, name) for name in HARNESS_CODE]
    copies = installed.union(copied_files(loaded, guarded.own[0], [*guarded.own[1:], *harness]))
    elsewhere = {
        file
        for file in loaded
        if file in copies or _deepest(file, checkouts | others) in checkouts - {*guarded.own}
    }
    return sorted({*elsewhere, *_imported_instead(guarded)})


def _imported_instead(guarded: Guarded) -> Iterator[str]:
    """The modules from elsewhere that have the name of a module in the side's folders on Python's
    path: copies without the metadata of a package, say."""
    folders = [folder for folder in _python_path() if _within(folder, guarded.own[0])]
    known = {HARNESS, os.path.realpath(sysconfig.get_path("stdlib"))}
    roots = {*known, *_environments()}
    for name, file in module_files().items():
        if "." in name or _is_own(file, guarded) or _deepest(file, roots) in known:
            continue
        own = PathFinder.find_spec(name, folders)
        if own and own.origin:  # a folder without `__init__.py` has none
            yield file


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
