"""Files that other people wrote: how they are imported and called, and where errors are."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from bench.processes.stop import Stopped
from bench.spec.supports import Unavailable

T = TypeVar("T")
HERE = os.path.dirname(__file__)


def path_of(words: str) -> Path:
    """The absolute path of what a user names. `~name` without such a user is a file's own name, and
    links that run in a circle stay as they are: reading the path then says what is wrong."""
    return Path(os.path.realpath(os.path.expanduser(words)))


def import_file(path: Path) -> ModuleType:
    """The module in a file. Raises `Unavailable` where there is none."""
    if not path.is_file():
        raise Unavailable(f"there is no file {path}")
    spec = spec_from_file_location(str(path), path)
    if spec is None or spec.loader is None:
        raise Unavailable(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks up its module while it is defined
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def import_checked(label: str, load: Callable[[], T]) -> T:
    """What `load` imports. Raises `Unavailable` with the file and the line of whatever the import
    raises, `SystemExit` and `KeyboardInterrupt` too; `Stopped`, which a signal raises, passes."""
    return _guarded(load, lambda error: f"{label} does not import: {_with_location(error)}")


def called(label: str, function: Callable[[], T], plugin: Any) -> T:
    """What a function returns that runs code of a plug-in, such as the reading of an attribute.
    Raises `Unavailable` for whatever it raises, with the innermost line in the plug-in's folder;
    `Stopped`, which a signal raises, passes."""

    def message(error: BaseException) -> str:
        return f"{label} raised {error_text(error)}{place_of(error, folders_of(plugin))}"

    return _guarded(function, message)


def reason_text(answer: Any) -> str | None:
    """What a plug-in's `unavailable` has returned: a text, without the methods of a class of the
    plug-in's, or None. Raises ValueError for anything else."""
    if answer is not None and not isinstance(answer, str):
        raise ValueError(f"{answer!r:.60}; it must return a text or None")
    return None if answer is None else str.__str__(answer)


def _guarded(function: Callable[[], T], message: Callable[[BaseException], str]) -> T:
    """What a function of a plug-in returns; `Unavailable` with this message for what it raises. The
    working folder is afterwards the one before: the user's other words are relative to it."""
    folder = _working_folder()
    try:
        return function()
    except (Unavailable, Stopped):
        raise
    except BaseException as error:
        raise Unavailable(message(error)) from error
    finally:
        if folder is not None and _working_folder() != folder:
            os.chdir(folder)


def _working_folder() -> str | None:
    """The working folder; None where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def error_text(error: BaseException) -> str:
    """`ValueError: its message`. The class of a plug-in's error may fail to make a text."""
    try:
        message = str(error)
    except Stopped:
        raise
    except BaseException:  # noqa: BLE001 - it runs code of the plug-in
        message = "(an error without a text)"
    return f"{type(error).__name__}: {message}"


def _with_location(error: BaseException) -> str:
    """`file:line: Error: message`, with the outermost line of the traceback that is neither of the
    import system nor of this package."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    places = (
        f"{frame.filename}:{frame.lineno}: "
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.dirname(frame.filename) != HERE and "importlib" not in frame.filename
    )
    return f"{next(places, '')}{error_text(error)}"


def place_of(error: BaseException, folders: Sequence[Path]) -> str:
    """` (file:line)` of the innermost line of a traceback that is in one of these folders; empty
    where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if folder := next((f for f in folders if path.is_relative_to(f)), None):
            return f" ({path.relative_to(folder.parent)}:{frame.lineno})"
    return ""


def folders_of(*modules: Any) -> list[Path]:
    """The folders of the files of these modules, those that have one."""
    files = (getattr(module, "__file__", None) for module in modules)
    return [Path(file).resolve().parent for file in files if file and isinstance(file, str)]
