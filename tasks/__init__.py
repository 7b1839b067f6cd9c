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
from typing import TYPE_CHECKING, Any, Protocol, cast

from bench.spec import (
    Task,
    Unavailable,
    import_checked,
    import_file,
    installed_entry_points,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "recurrent_bench.tasks"
DEFAULT = ("adding",)
"""What runs where the user names no task."""
FOR_DATA = ("forecasting",)
"""What runs on a file of the user's (`--data`) where the user names no task."""
COMPARED = ("adding:short",)
"""What `compare` measures where the user names no task."""

MEMBERS = tuple(member for member in vars(Task) if not member.startswith("_"))
"""What every task has: settings, a description of its model, data and scores."""


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
        return _checked(name, partial(import_file, Path(name).expanduser().resolve()))
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


def _entry_points() -> "dict[str, EntryPoint]":
    """The entry point of each task in an installed package, by task name."""
    points = installed_entry_points(GROUP)
    return {point.name.lower().replace("_", "-"): point for point in points}


def _checked(name: str, import_task: Callable[[], Any]) -> TaskFile:
    """Import a task. Raises `Unavailable` if it does not import or is no task."""
    task = import_checked(f"task {name!r}", import_task)
    file = getattr(task, "__file__", task)
    if absent := [field for field in TaskFile.__annotations__ if not hasattr(task, field)]:
        raise Unavailable(f"task {name!r} lacks {' and '.join(absent)}: {file}")
    sizes = task.PROFILES
    if not isinstance(sizes, Mapping) or not sizes or not all(map(_is_instance, sizes.values())):
        raise Unavailable(
            f"task {name!r}: PROFILES is {sizes!r:.80}; it must map smoke, standard and paper to "
            f"a task each, an instance of a dataclass: {file}"
        )
    for size, value in sizes.items():
        if absent := [member for member in MEMBERS if not _has(value, member)]:
            raise Unavailable(f"task {name!r}: its size {size} lacks {', '.join(absent)}: {file}")
    return cast(TaskFile, task)


def _has(task: object, member: str) -> bool:
    """Whether a task has this member, without computing it: baselines can take seconds."""
    try:
        getattr_static(task, member)
    except AttributeError:
        return False
    return True


def _is_instance(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
