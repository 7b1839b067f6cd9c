"""The tasks: one file each, discovered by file name.

A file whose name starts with an underscore, and the folder `_series`, hold what tasks share.
A path to a file elsewhere works too (`./mine.py`). Installed packages add tasks as entry points
in the group `recurrent_bench.tasks`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from inspect import getattr_static
from pathlib import Path
from typing import Any, Protocol

from bench.spec import (
    EntryPoint,
    Task,
    Unavailable,
    called,
    import_checked,
    import_file,
    installed_entry_points,
    path_of,
)

GROUP = "recurrent_bench.tasks"
DEFAULT = ("adding",)
"""What runs where the user names no task."""
FOR_DATA = ("forecasting",)
"""What runs on a file of the user's (`--data`) where the user names no task."""
COMPARED = ("adding:short",)
"""What `compare` measures where the user names no task."""

MEMBERS = tuple(member for member in vars(Task) if not member.startswith("_"))
"""What every task has: settings, a description of its model, data and scores."""
MISSING = object()


class TaskFile(Protocol):
    """A module-like object that holds a task.

    `REQUIRES` names the packages (as pip does) that its data ship in; `PROFILES` has a task for
    each size.
    """

    REQUIRES: Sequence[str]
    PROFILES: Mapping[str, Task]


def names() -> list[str]:
    """Every task, sorted: the files here and the entry points. Imports none of them."""
    return sorted({*_module_names(), *_entry_points()})


def load(name: str) -> TaskFile:
    """Load the task `name`, or the task in a file (`./mine.py`).

    Raises `Unavailable` if no task has that name, if the task does not import, or if it lacks an
    attribute of `TaskFile`.
    """
    if name.endswith(".py"):
        return _checked(name, partial(import_file, path_of(name)))
    key = name.lower().replace("_", "-")
    if key in (modules := _module_names()):
        return _checked(name, partial(import_module, f"{__name__}.{modules[key]}"))
    if key in (plugins := _entry_points()):
        return _checked(name, plugins[key].load)
    similar = get_close_matches(key, names())
    hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
    raise Unavailable(f"there is no task {name!r}.{hint} Tasks: {', '.join(names())}")


def _module_names() -> dict[str, str]:
    """The module name of each task file in this folder, by task name."""
    stems = (file.stem for file in Path(__file__).parent.glob("*.py"))
    return {stem.replace("_", "-"): stem for stem in stems if not stem.startswith("_")}


def _entry_points() -> dict[str, EntryPoint]:
    """The entry point of each task in an installed package, by task name."""
    points = installed_entry_points(GROUP)
    return {point.name.lower().replace("_", "-"): point for point in points}


class CheckedTaskFile:
    """Stands in front of a task file; its sizes are read once. Raises `Unavailable` with the line
    for whatever the file raises where it is read."""

    def __init__(self, name: str, file: Any) -> None:
        self._name, self._file = name, file
        place = getattr(self, "__file__", file)
        if absent := [field for field in TaskFile.__annotations__ if not hasattr(self, field)]:
            raise Unavailable(f"task {name!r} lacks {' and '.join(absent)}: {place}")
        self.PROFILES: Mapping[str, Task] = called(
            f"PROFILES of task {name!r}", lambda: _sizes(name, file.PROFILES, place), file
        )
        self.__doc__ = file.__doc__

    def __getattr__(self, name: str) -> Any:
        file = self._file
        label = f"{name} of task {self._name!r}"
        value = called(label, lambda: getattr(file, name, MISSING), file)
        if value is MISSING:
            raise AttributeError(f"task {self._name!r} has no {name}")
        return value


def _sizes(name: str, profiles: Any, place: Any) -> dict[str, Task]:
    """The sizes of a task file; raises `Unavailable` where they are no tasks of one class."""
    sizes = dict(profiles) if isinstance(profiles, Mapping) else {}
    if not sizes or not all(map(_is_instance, sizes.values())):
        raise Unavailable(
            f"task {name!r}: PROFILES is {profiles!r:.80}; it must map smoke, standard and "
            f"paper to a task each, an instance of a dataclass: {place}"
        )
    if unnamed := [size for size in sizes if not isinstance(size, str)]:
        raise Unavailable(
            f"task {name!r}: PROFILES has the size {unnamed[0]!r:.60}; it must be a text: {place}"
        )
    first = type(next(iter(sizes.values())))
    for size, task in sizes.items():
        if absent := [member for member in MEMBERS if not _has(task, member)]:
            raise Unavailable(f"task {name!r}: its size {size} lacks {', '.join(absent)}: {place}")
        if type(task) is not first:
            raise Unavailable(
                f"task {name!r}: its size {size} is a {type(task).__name__} and not a "
                f"{first.__name__}; all sizes must be of one class: {place}"
            )
    return sizes


def _checked(name: str, import_task: Callable[[], Any]) -> TaskFile:
    """Import a task. Raises `Unavailable` if it does not import or is no task."""
    return CheckedTaskFile(name, import_checked(f"task {name!r}", import_task))


def _has(task: object, member: str) -> bool:
    """Whether a task has this member, without computing it: baselines can take seconds."""
    try:
        getattr_static(task, member)
    except AttributeError:
        return False
    return True


def _is_instance(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
