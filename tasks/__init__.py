"""The tasks, one file each, found by file name; a path to a file elsewhere works too.

Installed packages add theirs as entry points in the group `recurrent_bench.tasks`.
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


class TaskFile(Protocol):
    """A module-like object. A task's `unavailable() -> str | None` is optional: why its data cannot
    be read here, found without importing anything heavy."""

    REQUIRES: Sequence[str]
    PROFILES: Mapping[str, Task]


def names() -> list[str]:
    """Every task, sorted: the files here and the entry points. Imports none of them."""
    return sorted({*_files(), *_plugins()})


def load(name: str) -> TaskFile:
    """The task of that name, or the one in the file `name` points to (`./mine.py`)."""
    if name.endswith(".py"):
        return _checked(name, lambda: _from_file(Path(name).expanduser().resolve()))
    known = name.replace("_", "-")
    if known in (files := _files()):
        return _checked(name, lambda: import_module(f"{__name__}.{files[known]}"))
    if known in (plugins := _plugins()):
        return _checked(name, plugins[known].load)
    near = get_close_matches(known.lower(), names())
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise Unavailable(f"there is no task {name!r}.{hint} Tasks: {', '.join(names())}")


def _files() -> dict[str, str]:
    """Task name → module name of the files in this folder."""
    stems = (file.stem for file in Path(__file__).parent.glob("*.py"))
    return {stem.replace("_", "-"): stem for stem in stems if not stem.startswith("_")}


def _plugins() -> dict[str, EntryPoint]:
    return {point.name.replace("_", "-"): point for point in entry_points(group=GROUP)}


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise Unavailable(f"there is no file {path}")
    spec = spec_from_file_location(str(path), path)
    assert spec and spec.loader
    module = sys.modules[spec.name] = module_from_spec(spec)  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _checked(name: str, importing: Callable[[], Any]) -> TaskFile:
    """What `importing` gives, or `Unavailable` with the place where it went wrong."""
    try:
        found = importing()
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable(f"task {name!r} does not import: {_place(error)}") from error
    if missing := [part for part in TaskFile.__annotations__ if not hasattr(found, part)]:
        where = getattr(found, "__file__", found)
        raise Unavailable(f"task {name!r} lacks {' and '.join(missing)}: {where}")
    return cast(TaskFile, found)


def _place(error: Exception) -> str:
    """`file:line: error`, the line being the one of the task file itself."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = (
        f"{frame.filename}:{frame.lineno}: "
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    )
    return f"{next(frames, '')}{type(error).__name__}: {error}"
