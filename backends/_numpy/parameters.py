"""All parameters in one vector, laid out as the cells read them."""

from math import prod

import numpy as np

from bench.spec import Array, ModelSpec, Params


class FlatParameters:
    """All weights, or their gradients, in one `vector`, and views into it by canonical name,
    `arrays`. Their layout differs from the canonical one in two things: a bias `b` is the last
    column of its `w`; and the gates lie in the order of the cells in `lstm.py` and `gru.py`, the
    canonical one rolled by one gate."""

    def __init__(self, spec: ModelSpec, params: Params) -> None:
        self.spec = spec
        shapes = {name: np.shape(v) for name, v in params.items() if not name.endswith(".b")}
        for name in (name for name in shapes if name.endswith(".w")):
            shapes[name] = (shapes[name][0], shapes[name][1] + 1)
        ends = np.cumsum([0, *(prod(shape) for shape in shapes.values())])
        self.vector = np.zeros(ends[-1], spec.dtype)
        self.arrays = {
            name: self.vector[start:end].reshape(shape)
            for (name, shape), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
        }
        self.names = tuple(params)
        for name, value in params.items():
            self._view(name)[...] = np.roll(value, self.shift(name), axis=0)

    def with_prefix(self, prefix: str) -> dict[str, Array]:
        """The arrays whose names start with `prefix`, by the rest of their names."""
        return {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }

    def canonical(self) -> dict[str, Array]:
        """New arrays in the canonical layout."""
        return {name: np.roll(self._view(name), -self.shift(name), axis=0) for name in self.names}

    def shift(self, name: str) -> int:
        """By how many rows an array is rolled; a `w` and its `b` are rolled alike."""
        rolled = {"lstm": "wub", "gru": "" if reset_before(self.spec) else "wb"}
        array = name.rsplit(".", 1)[1]
        if name.startswith("readout") or array not in rolled.get(self.spec.cell, ""):
            return 0
        return self.spec.hidden

    def _view(self, name: str) -> Array:
        if name.endswith(".w"):
            return self.arrays[name][:, :-1]
        return self.arrays[name[:-1] + "w"][:, -1] if name.endswith(".b") else self.arrays[name]


def reset_before(spec: ModelSpec) -> bool:
    """Whether the model's cell is the gru that resets before the recurrent product."""
    return spec.cell == "gru" and spec.gru == "reset_before"
