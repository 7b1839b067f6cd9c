"""Adapters, one in each file: `x_y_backend.py` is the backend `x-y`.

An adapter only states what the backend is; how it computes is in the folder of its framework, such
as `_torch/`, which is imported when a session is opened.
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from backends._speed_variables import SPEED_VARIABLES
from bench.spec import (
    CheckedBackend,
    EntryPoint,
    Unavailable,
    import_checked,
    import_file,
    installed_entry_points,
    path_of,
)

__all__ = ["DEFAULT", "GROUP", "REFERENCE", "SPEED_VARIABLES", "load", "names"]

GROUP = "recurrent_bench.backends"
"""The entry points by which installed packages offer backends."""
DEFAULT = ("numpy", "torch", "tensorflow", "jax")
"""One backend for each framework: these run where none are named."""
REFERENCE = "numpy"
"""The backend that every other one is compared with before it is measured."""

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The backends of this folder, then those of installed packages."""
    return sorted(_module_names()) + sorted(_installed())


def load(name: str) -> Any:
    """The module-like object of a backend, by its name or by the path of a file.

    Its sessions check what they are given (`bench.spec.CheckedSession`). No framework is imported.
    Raises `Unavailable` for an unknown name, for a file or package that does not import, and for
    one that is no backend.
    """
    if name.endswith(".py"):
        return _checked(name, partial(import_file, path_of(name)))
    key = _key(name)
    if module := _module_names().get(key):
        return CheckedBackend(import_module(f"{__name__}.{module}"), name)
    if installed := {_key(point): entry for point, entry in _installed().items()}.get(key):
        return _checked(name, installed.load)
    similar = get_close_matches(key, names(), cutoff=0.5)
    hint = f"; did you mean {' or '.join(similar)}" if similar else ""
    raise Unavailable(f"unknown backend {name!r}{hint}. Known: {', '.join(names())}")


def _key(name: str) -> str:
    return name.lower().replace("_", "-")


def _module_names() -> dict[str, str]:
    """The module of each adapter in this folder, by the name of the backend."""
    stems = [path.stem for path in _FOLDER.glob("*_backend.py")]
    return {stem.removesuffix("_backend").replace("_", "-"): stem for stem in stems}


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in installed_entry_points(GROUP)}


def _checked(name: str, load_adapter: Callable[[], Any]) -> CheckedBackend:
    """An adapter from outside this folder. Raises `Unavailable` if it is no backend."""
    adapter = CheckedBackend(import_checked(name, load_adapter), name)
    adapter.check()
    return adapter
