"""Adapters, one a file: `x_y_backend.py` is the backend `x-y`."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module, util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.spec import Unavailable

GROUP = "recurrent_bench.backends"
REFERENCE = "numpy"
"""The backend that all others are compared with."""
DEFAULT = ("numpy", "torch", "tensorflow", "jax")
"""One backend a framework: what runs where none are named."""


def names() -> list[str]:
    """The backends of this folder, then those that installed packages offer."""
    found = [path.stem.removesuffix("_backend") for path in _FOLDER.glob("*_backend.py")]
    return sorted(name.replace("_", "-") for name in found) + sorted(_installed())


def load(name: str) -> Any:
    """The module-like object behind a name, or behind the path of a file; no framework is
    imported. Raises `Unavailable` for an unknown name and for a file that does not import."""
    if name.endswith(".py"):
        return _from_file(Path(name))
    own = name.replace("-", "_") + "_backend"
    if (_FOLDER / f"{own}.py").exists():
        return import_module(f"{__name__}.{own}")
    if name in (installed := _installed()):
        return _loaded(name, installed[name].load)
    near = get_close_matches(name, names(), cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}" if near else ""
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
    _loaded(path, lambda: loader.exec_module(module))
    if missing := [part for part in ("open_session", "devices") if not hasattr(module, part)]:
        raise Unavailable(f"{path} is no backend: it lacks {' and '.join(missing)}")
    return module


def _loaded(what: object, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise Unavailable(f"{what} does not import: {type(error).__name__}: {error}") from error


_FOLDER = Path(__file__).parent
