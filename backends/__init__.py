"""Adapters, one in each file: `x_y_backend.py` is the backend `x-y`.

An adapter only states what the backend is; how it computes is in the folder of its framework, such
as `_torch/`, which is imported when a session is opened.
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module, util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from backends._speed_variables import SPEED_VARIABLES
from bench.spec import Unavailable

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
    stems = [path.stem.removesuffix("_backend") for path in _FOLDER.glob("*_backend.py")]
    return sorted(stem.replace("_", "-") for stem in stems) + sorted(_installed())


def load(name: str) -> Any:
    """The module-like object of a backend, by its name or by the path of a file.

    No framework is imported. Raises `Unavailable` for an unknown name and for a file or package
    that does not import.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    module = name.replace("-", "_") + "_backend"
    if (_FOLDER / f"{module}.py").exists():
        return import_module(f"{__name__}.{module}")
    if name in (installed := _installed()):
        return _imported(name, installed[name].load)
    similar = get_close_matches(name, names(), cutoff=0.5)
    hint = f"; did you mean {' or '.join(similar)}" if similar else ""
    raise Unavailable(f"unknown backend {name!r}{hint}. Known: {', '.join(names())}")


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise Unavailable(f"no such backend file: {path}")
    spec = util.spec_from_file_location(f"backend_from_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise Unavailable(f"{path} is not a Python file")
    module, loader = util.module_from_spec(spec), spec.loader
    _imported(path, lambda: loader.exec_module(module))
    if missing := [name for name in ("open_session", "devices") if not hasattr(module, name)]:
        raise Unavailable(f"{path} is no backend: it lacks {' and '.join(missing)}")
    return module


def _imported(name: object, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise Unavailable(f"{name} does not import: {type(error).__name__}: {error}") from error
