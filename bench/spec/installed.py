"""Installed packages, from the names of their folders.

`importlib.metadata` parses the metadata of each package, which takes longer than anything else that
a command such as `list` does. It is imported only for what the names of folders do not tell.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache

METADATA_FOLDER = re.compile(r"([^-]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
"""The name of the folder with the metadata of a package: its name and its version."""


def installed_version(package: str) -> str | None:
    """The version of a package, by the name that pip knows; None for one that is missing."""
    name = _normalised(package)
    for folder in folders_of_packages():
        if version := _versions(*folder).get(name):
            return version
    from importlib import metadata

    with suppress(metadata.PackageNotFoundError, ValueError):
        return metadata.version(package)
    return None


def folders_of_packages() -> Iterator[tuple[str, int]]:
    """The folders that modules are imported from, with the time at which each last changed."""
    for path in sys.path:
        with suppress(OSError):
            yield path or os.curdir, os.stat(path or os.curdir).st_mtime_ns


@cache
def _versions(folder: str, changed: int) -> Mapping[str, str]:
    """The versions of the packages in a folder, by their normalised names."""
    versions: dict[str, str] = {}
    with suppress(OSError):
        for match in filter(None, map(METADATA_FOLDER.fullmatch, os.listdir(folder))):
            versions.setdefault(_normalised(match[1]), match[2])
    return versions


def package_name(folder: str) -> str:
    """The normalised name of the package that a folder of metadata belongs to."""
    return _normalised(re.sub(r"(-.*)?\.[^.]*$", "", folder))


def _normalised(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
