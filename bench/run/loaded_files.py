"""The files with code that this process has loaded: modules, live functions, shared libraries."""

import gc
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FunctionType


def loaded_files() -> set[str]:
    """The resolved paths of all files with code that this process has loaded. The tasks that the
    user gave as files are left out: both sides use the same file."""
    modules = list(sys.modules.items())
    tasks = {_module_file(module) for name, module in modules if _is_task_file(name, module)}
    names = {_module_file(module) for _, module in modules}
    names |= {f.__code__.co_filename for f in gc.get_objects() if type(f) is FunctionType}
    names -= tasks
    files = {name for name in names if name and not name.startswith("<")}
    return _resolved(files | _mapped_libraries())


def module_files() -> dict[str, str]:
    """The resolved paths of the files of all loaded modules, by the module's name."""
    files = ((name, _module_file(module)) for name, module in list(sys.modules.items()))
    return {name: os.path.realpath(file) for name, file in files if file}


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


def _is_task_file(name: str, module: object) -> bool:
    return os.sep in name and "PROFILES" in getattr(module, "__dict__", {})


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
