"""In which order a direction reads a sequence.

oneDNN's primitives run over all steps of a batch from the first to the last. A reversed direction
gets a reversed copy, each sequence by its own length. Padding comes last then, in both directions:
what is computed there reaches no real step, and its derivatives are zero. Beyond the end of a
sequence h is replaced by the state that is held.
"""

from typing import Any

import numpy as np

from bench.spec import Array


class Order:
    """The order of one direction; sequences are `(T, B, features)`, `lengths` `(B,)`."""

    def __init__(self, reverse: bool, time: int, lengths: Any = None) -> None:
        self._reverse = reverse
        self._lengths = None if lengths is None else np.asarray(lengths)
        if self._lengths is None or self._lengths.min() == time:
            self._lengths = None
            return
        steps = np.arange(time)[:, None]
        last = self._lengths - 1
        self._padding = (steps > last)[:, :, None]
        # Where step t of one order stands in the other one: each is the other's inverse.
        self._steps = np.maximum(last - steps, 0) if reverse else np.minimum(steps, last)

    @property
    def is_identity(self) -> bool:
        return not self._reverse and self._lengths is None

    def read(self, sequence: Array, out: Array) -> None:
        """Bring a sequence into the direction's order, with zeros as padding; or a derivative with
        respect to what was read back again."""
        if self._lengths is None:
            out[...] = sequence[::-1] if self._reverse else sequence
            return
        self._take(sequence, out)
        np.copyto(out, 0, where=self._padding)

    def write(self, hidden: Array, initial: Any, out: Array) -> None:
        """Bring h of every step back into the sequence's order. Beyond the end of a sequence
        stands its last state, or in a reversed direction the initial one, from which it starts."""
        if self._lengths is None:
            self.read(hidden, out)
            return
        self._take(hidden, out)
        if self._reverse:
            np.copyto(out, initial, where=self._padding)

    def derive_written(self, d_written: Array, out: Array) -> None:
        """From the derivatives of what `write` wrote, those of h of every step. In one direction
        both may be the same array."""
        if self._lengths is None or self._reverse:
            self.read(d_written, out)
        else:
            held = np.sum(d_written, axis=0, where=self._padding)
            self.read(d_written, out)
            out[self._lengths - 1, np.arange(len(held))] += held

    def last(self, hidden: Array) -> Array:
        """The final state `(B, H)` of every sequence."""
        if self._lengths is None:
            return hidden[-1]
        return hidden[self._lengths - 1, np.arange(len(self._lengths))]

    def set_last(self, hidden: Array, value: Any) -> None:
        """Set what `last` returns."""
        if self._lengths is None:
            hidden[-1] = value
        else:
            hidden[self._lengths - 1, np.arange(len(self._lengths))] = value

    def _take(self, sequence: Array, out: Array) -> None:
        out[...] = np.take_along_axis(sequence, self._steps[:, :, None], axis=0)
