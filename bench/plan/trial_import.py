"""Imports a plug-in in a process of its own first: it may end the process that imports it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.processes.death import exit_reason
from bench.processes.supervised import run_supervised
from bench.spec import Unavailable, installed_entry_points

SURVIVED = 97
"""The exit code of a process that has imported the plug-in, or met an error in it, and lived on."""
LIMIT_S = 300.0
"""Seconds that an import may take."""
# An error is met again, and reported with its line, when this process imports the plug-in.
PROGRAM = f"""
import importlib, os, sys
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
try:
    importlib.import_module(sys.argv[1]).load(sys.argv[2])
except BaseException:
    pass
os._exit({SURVIVED})
"""


def load_checked(registry: Any, name: str) -> Any:
    """What the registry, the package `backends` or `tasks`, loads by this name. Raises
    `Unavailable` for a plug-in whose import does not return."""
    if _is_plugin(registry, name):
        _check_import(registry.__name__, name)
    return registry.load(name)


def _is_plugin(registry: Any, name: str) -> bool:
    """Whether the name is a file, or an entry point of an installed package."""
    if name.endswith(".py"):
        return Path(name).expanduser().is_file()
    return name.lower().replace("_", "-") in _entry_point_names(getattr(registry, "GROUP", ""))


def _entry_point_names(group: str) -> set[str]:
    points = installed_entry_points(group)
    return {point.name.lower().replace("_", "-") for point in points}


def _check_import(package: str, name: str) -> None:
    paths = [path or os.getcwd() for path in sys.path]
    try:
        done = run_supervised(
            [sys.executable, "-P", "-c", PROGRAM, package, name],
            LIMIT_S,
            {**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"{name} does not import: it has not returned after {LIMIT_S:g} s"
        ) from None
    if done.returncode != SURVIVED:
        how = exit_reason(done.returncode)
        raise Unavailable(
            f"{name} does not import: it ends the process that imports it ({how}); an import must "
            "return, so leave out whatever exits"
        )
