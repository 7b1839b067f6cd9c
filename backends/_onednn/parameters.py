"""All parameters in one vector, laid out as oneDNN reads them."""

from math import prod

import numpy as np

from backends._onednn.objects import Memory, Objects, aligned_zeros
from backends._onednn.primitives import primitive_of
from bench.spec import Array, ModelSpec, Params


class Parameters:
    """All weights, or their gradients, in one `vector`, and views into it by name, `arrays`.

    Each direction of a layer has w `(D, G, H)`, u `(H, G, H)` and b `(biases, H)`, with the gates
    in oneDNN's order; the last row of a gru's b is b_hn. The readout keeps the canonical layout.
    """

    def __init__(self, spec: ModelSpec, params: Params) -> None:
        self._primitive, self._names = primitive_of(spec), tuple(params)
        self._gates, self._hidden = np.array(self._primitive.gates), spec.hidden
        shapes = {
            name: self._shape(name, np.shape(value))
            for name, value in params.items()
            if not name.endswith(".b_hn")
        }
        ends = np.cumsum([0, *(prod(shape) for shape in shapes.values())])
        self.vector = aligned_zeros(int(ends[-1]))
        self.arrays = {
            name: self.vector[start:end].reshape(shape)
            for (name, shape), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
        }
        for name, value in params.items():
            self._set(name, np.asarray(value))

    def memories(self, objects: Objects, prefix: str) -> tuple[Memory, Memory, Memory]:
        """Memories over w, u and b of one direction of a layer."""
        w, u, b = (objects.layer(self.arrays[prefix + name]) for name in "wub")
        return w, u, b

    def canonical(self) -> dict[str, Array]:
        """New arrays by canonical name, in the canonical layout."""
        return {name: self._canonical(name) for name in self._names}

    def _shape(self, name: str, canonical: tuple[int, ...]) -> tuple[int, ...]:
        if name.startswith("readout"):
            return canonical
        if name.endswith(".b"):
            return (self._primitive.biases, self._hidden)
        return (canonical[1], len(self._gates), self._hidden)

    def _set(self, name: str, value: Array) -> None:
        if name.startswith("readout"):
            self.arrays[name][...] = value
        elif name.endswith(".b_hn"):
            self._bias_of(name)[-1] = value
        else:
            gates = value.reshape(len(self._gates), self._hidden, -1)[self._gates]
            self._by_gate(name)[...] = gates

    def _canonical(self, name: str) -> Array:
        if name.startswith("readout"):
            return self.arrays[name].copy()
        if name.endswith(".b_hn"):
            return self._bias_of(name)[-1].copy()
        gates = self._by_gate(name)[np.argsort(self._gates)]
        rows = len(self._gates) * self._hidden
        return gates.reshape(rows) if name.endswith(".b") else gates.reshape(rows, -1)

    def _by_gate(self, name: str) -> Array:
        """A view `(G, H, N)` of a parameter, with N = 1 for a bias."""
        if name.endswith(".b"):
            return self.arrays[name][: len(self._gates), :, None]
        return self.arrays[name].transpose(1, 2, 0)

    def _bias_of(self, name: str) -> Array:
        return self.arrays[name.removesuffix("_hn")]
