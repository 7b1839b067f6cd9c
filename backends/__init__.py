"""Adapters, one in each file: `x_y_backend.py` is the backend `x-y`.

An adapter only states what the backend is; how it computes is in the folder of its framework, such
as `_torch/`, which is imported when a session is opened.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backends._speed_variables import SPEED_VARIABLES
from bench.spec import (
    CheckedSession,
    ModelSpec,
    Params,
    Supports,
    Training,
    Unavailable,
    import_checked,
    import_file,
    installed_entry_points,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["DEFAULT", "GROUP", "REFERENCE", "SPEED_VARIABLES", "load", "names"]

GROUP = "recurrent_bench.backends"
"""The entry points by which installed packages offer backends."""
DEFAULT = ("numpy", "torch", "tensorflow", "jax")
"""One backend for each framework: these run where none are named."""
REFERENCE = "numpy"
"""The backend that every other one is compared with before it is measured."""

LISTS_OF_NAMES: Mapping[str, str] = {
    "REQUIRES": "packages, such as ('numpy',)",
    "SPEED_VARIABLES": "environment variables, such as ('MINE_*',)",
}
"""What an adapter lists, and the names of what."""
_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The backends of this folder, then those of installed packages."""
    stems = [path.stem.removesuffix("_backend") for path in _FOLDER.glob("*_backend.py")]
    return sorted(stem.replace("_", "-") for stem in stems) + sorted(_installed())


def load(name: str) -> Any:
    """The module-like object of a backend, by its name or by the path of a file.

    Its sessions check what they are given (`bench.spec.CheckedSession`). No framework is imported.
    Raises `Unavailable` for an unknown name, for a file or package that does not import, and for
    one that is no backend.
    """
    if name.endswith(".py"):
        return _checked(name, partial(import_file, Path(name).expanduser().resolve()))
    key = name.lower().replace("_", "-")
    module = key.replace("-", "_") + "_backend"
    if (_FOLDER / f"{module}.py").exists():
        return CheckedBackend(import_module(f"{__name__}.{module}"))
    if installed := {point.lower(): entry for point, entry in _installed().items()}.get(key):
        return _checked(name, installed.load)
    similar = get_close_matches(key, names(), cutoff=0.5)
    hint = f"; did you mean {' or '.join(similar)}" if similar else ""
    raise Unavailable(f"unknown backend {name!r}{hint}. Known: {', '.join(names())}")


def _installed() -> "dict[str, EntryPoint]":
    return {point.name: point for point in installed_entry_points(GROUP)}


class CheckedBackend:
    """An adapter, whose sessions are checked: they refuse what is no batch, and share no memory
    with their caller."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def open_session(
        self, spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> CheckedSession:
        copies = {name: np.array(value) for name, value in params.items()}
        session = self._adapter.open_session(spec, copies, device, training)
        return CheckedSession(session, spec)


def _checked(name: str, load_adapter: Callable[[], Any]) -> CheckedBackend:
    """An adapter from outside this folder. Raises `Unavailable` if it is no backend."""
    adapter = import_checked(name, load_adapter)
    if missing := [
        n for n in ("open_session", "devices") if not callable(getattr(adapter, n, None))
    ]:
        raise Unavailable(f"{name} is no backend: it lacks {' and '.join(missing)}")
    supports = getattr(adapter, "SUPPORTS", Supports())
    if not isinstance(supports, Supports):
        raise Unavailable(
            f"{name} is no backend: SUPPORTS is {supports!r:.80}; it must be bench.spec.Supports(…)"
        )
    for field, things in LISTS_OF_NAMES.items():
        words = getattr(adapter, field, ())
        if not isinstance(words, tuple | list) or not all(isinstance(w, str) for w in words):
            raise Unavailable(
                f"{name} is no backend: {field} is {words!r:.80}; it must be a tuple of the names "
                f"of {things}"
            )
    return CheckedBackend(adapter)
