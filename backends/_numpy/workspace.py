"""Memory that is used again in every pass."""

from math import prod
from typing import Any

import numpy as np

from bench.spec import Array


class Workspace:
    """Arrays by name that live as long as the session: fresh memory costs a page fault for every
    4 KiB. A second request for a name returns the same memory, which the caller overwrites."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self._flat: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        """An uninitialised array of this shape."""
        flat, size = self._flat.get(name), prod(shape)
        if flat is None or flat.size < size:
            flat = self._flat[name] = np.empty(size, self.dtype)
        return flat[:size].reshape(shape)

    def copy(self, name: str, array: Array) -> Array:
        """A contiguous copy of an array."""
        copied = self(name, *array.shape)
        np.copyto(copied, array)
        return copied

    def states(self, name: str, time: int, initial: Array) -> Array:
        """States `(T + 1, H, B)` that start with the initial one, `(H, B)`."""
        states = self(name, time + 1, *initial.shape)
        states[0] = initial
        return states

    def columns(self, name: str, sequence: Array) -> Array:
        """A sequence `(T, N, B)` as the columns `(N, T·B)` of one matrix. It is copied only where
        its memory is not laid out like that already."""
        if sequence.strides[0] == sequence.shape[2] * sequence.strides[2]:
            return flat(sequence.swapaxes(0, 1))
        return flat(self.copy(name, sequence.swapaxes(0, 1)))


def flat(columns: Array) -> Array:
    """`(N, T, B)` as `(N, T·B)`."""
    return columns.reshape(len(columns), -1)
