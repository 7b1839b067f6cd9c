"""The tasks: one file each, discovered by file name.

A file whose name starts with an underscore, and the folder `_series`, hold what tasks share.
A path to a file elsewhere works too (`./mine.py`). Installed packages add tasks as entry points
in the group `recurrent_bench.tasks`.
"""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from bench.spec import Task, Unavailable

GROUP = "recurrent_bench.tasks"
DEFAULT = ("adding",)
"""What runs where the user names no task."""
FOR_DATA = ("forecasting",)
"""What runs on a file of the user's (`--data`) where the user names no task."""
COMPARED = ("adding:short",)
"""What `compare` measures where the user names no task."""


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
        path = Path(name).expanduser().resolve()
        return _import_checked(name, lambda: _import_file(path))
    key = name.replace("_", "-")
    if key in (modules := _module_names()):
        return _import_checked(name, lambda: import_module(f"{__name__}.{modules[key]}"))
    if key in (plugins := _entry_points()):
        return _import_checked(name, plugins[key].load)
    similar = get_close_matches(key.lower(), names())
    hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
    raise Unavailable(f"there is no task {name!r}.{hint} Tasks: {', '.join(names())}")


def _module_names() -> dict[str, str]:
    """The module name of each task file in this folder, by task name."""
    stems = (file.stem for file in Path(__file__).parent.glob("*.py"))
    return {stem.replace("_", "-"): stem for stem in stems if not stem.startswith("_")}


def _entry_points() -> dict[str, EntryPoint]:
    """The entry point of each task in an installed package, by task name."""
    return {point.name.replace("_", "-"): point for point in entry_points(group=GROUP)}


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise Unavailable(f"there is no file {path}")
    spec = spec_from_file_location(str(path), path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks up its module while it is defined
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _import_checked(name: str, import_task: Callable[[], Any]) -> TaskFile:
    """Import a task; raise `Unavailable` with the file and line if that fails."""
    try:
        task = import_task()
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable(f"task {name!r} does not import: {_with_location(error)}") from error
    if absent := [field for field in TaskFile.__annotations__ if not hasattr(task, field)]:
        file = getattr(task, "__file__", task)
        raise Unavailable(f"task {name!r} lacks {' and '.join(absent)}: {file}")
    return cast(TaskFile, task)


def _with_location(error: Exception) -> str:
    """`file:line: error`, with the outermost line of the traceback that is in the task file."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    lines = (
        f"{frame.filename}:{frame.lineno}: "
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    )
    return f"{next(lines, '')}{type(error).__name__}: {error}"
