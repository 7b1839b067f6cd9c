"""Code that was built where it is not known from which side's sources it came.

Code that a kernel compiles when it runs can lie in a folder of caches that both sides use, or
anywhere in the user's home, so that the head loads what the base has compiled.
"""

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

CACHES = ("/tmp", "/var/tmp", "/dev/shm", "~/.cache", "~/Library/Caches")
"""Folders of temporary files and of caches."""
DIGEST = re.compile(r"(?=[A-Za-z]*\d)[0-9A-Za-z]{32,}")
"""A name that stands for the content of sources: what lies there belongs to one version of them."""


def shared_builds(files: Iterable[str], private: Iterable[str], since: float) -> list[str]:
    """The files that the other side may have built, sorted: outside the folders `private`, and in a
    folder of caches, or a library in the user's home, or written after `since`, the time at which
    the comparison began. Left out are files with a digest in their path, and files that are gone,
    which no other process loads."""
    files, folders = set(files), list(private)
    caches = [os.path.realpath(os.path.expanduser(folder)) for folder in CACHES]
    kept = _libraries_at_home(files)
    return sorted(
        file
        for file in files
        if not _in_any(file, folders)
        and (
            ((_in_any(file, caches) or file in kept) and os.path.exists(file))
            or _written(file) >= since
        )
        and not DIGEST.search(file)
    )


def digest_builds(files: Iterable[str], private: Iterable[str], since: float) -> list[str]:
    """The files outside the folders `private` that were built during the comparison under a digest,
    sorted. If the digest stands for something else than the sources, the other side loads them."""
    folders = list(private)
    return sorted(
        file
        for file in files
        if DIGEST.search(file) and not _in_any(file, folders) and _written(file) >= since
    )


def _libraries_at_home(files: Collection[str]) -> set[str]:
    """The libraries in the home of the user, without those of Python packages and those in folders
    that the user has named to the loader."""
    home = os.path.realpath(os.path.expanduser("~"))
    packages = [os.path.dirname(file) for file in files if os.path.basename(file) == "__init__.py"]
    named = filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    others = {*packages, *map(os.path.realpath, named)}
    return {
        file
        for file in files
        if home != os.sep
        and _in_any(file, [home])
        and not file.endswith(".py")
        and others.isdisjoint(map(str, Path(file).parents))
    }


def _in_any(file: str, folders: Iterable[str]) -> bool:
    return any(file == f or file.startswith(f.rstrip(os.sep) + os.sep) for f in folders)


def _written(file: str) -> float:
    """When a file was last written, in seconds since 1970; 0 for a file that is gone."""
    with suppress(OSError):
        return os.path.getmtime(file)
    return 0.0
