"""Plug-ins of installed packages: the entry points that they declare.

`importlib.metadata` reads the entry points of all packages at once and fails as a whole where one
of them has a line that is none.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from bench.spec.installed import folders_of_packages, package_name
from bench.spec.supports import Unavailable

OBJECT = re.compile(r"(?P<module>\w+(\.\w+)*)\s*(:\s*(?P<attributes>\w+(\.\w+)*))?\s*(\[.*\])?")
"""`package.module` or `package.module:object`, and extras."""


@dataclass(frozen=True)
class EntryPoint:
    """A plug-in that an installed package offers: its name, and where its object is."""

    name: str
    value: str
    file: Path
    """The file that declares it."""

    def load(self) -> Any:
        """Import the object. Raises `Unavailable` where the declaration is malformed."""
        match = OBJECT.fullmatch(self.value)
        if match is None:
            raise Unavailable(
                f"the entry point {self.name!r:.60} in {self.file} is {self.value!r:.60}; it must "
                "be written as name = module or name = module:object"
            )
        module = import_module(match["module"])
        return attrgetter(match["attributes"])(module) if match["attributes"] else module


def installed_entry_points(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group that installed packages offer, malformed ones included. Where a
    package is installed twice, the first on the path counts."""
    by_package: dict[str, tuple[EntryPoint, ...]] = {}
    for folder in folders_of_packages():
        for package, points in _declared(*folder, group).items():
            by_package.setdefault(package, points)
    return tuple(point for points in by_package.values() for point in points)


@cache
def _declared(folder: str, changed: int, group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points of a group that the packages in a folder declare, by package."""
    return {
        package_name(file.parent.name): tuple(_entry_points(file, group))
        for file in sorted(Path(folder).glob("*-[iI][nN][fF][oO]/entry_points.txt"))
    }


def _entry_points(file: Path, group: str) -> Iterator[EntryPoint]:
    """The entry points of a group in a file; a line without a name or a value is one without a
    value."""
    section, text = None, ""
    with suppress(OSError):
        text = file.read_text(encoding="utf-8", errors="replace")
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == group and not line.startswith("#"):
            name, _, value = map(str.strip, line.partition("="))
            yield EntryPoint(name or line, value, file)
