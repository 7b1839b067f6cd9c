"""Temporary: sums in order, until the gate has its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any
MULTIPLES = (1.0, 1.25, 1.5, 1.75)
NARROW = 16
WAYS = (1, -1)
TERMS = 256


def flat(columns: Array) -> Array:
    """`(N, T, B)` as `(N, T·B)`."""
    return columns.reshape(len(columns), -1)


def outer(d: Array, x: Array, out: Array, in_order: bool = False) -> None:
    """Σ d xᵀ over all columns of d `(rows, T, B)` and x `(N, T·B)`; `in_order`: one step after
    another, where `out` is narrow one column after another."""
    np.matmul(flat(d), x.T, out=out)
    if not in_order:
        return
    if min(out.shape) > NARROW:
        out[:] = _farthest([_by_steps(d, x, way) for way in WAYS], out)
    elif len(x) > len(d):
        out[:] = [one_by_one(x, row) for row in flat(d)]
    else:
        out[:] = np.transpose([one_by_one(flat(d), row) for row in x])


def one_by_one(rows: Array, factors: Array | None = None) -> Array:
    """The sums of rows, times factors `(n)` if any, one term added after another, forwards or
    backwards and of one of the `MULTIPLES`, divided by it again: of each row the sum that loses
    most."""
    factors = np.ones(rows.shape[1], rows.dtype) if factors is None else factors
    columns, each = np.ascontiguousarray(rows.T), factors[:, None]
    sums = [_by_terms(columns[::way], each[::way] * k) / k for way in WAYS for k in MULTIPLES]
    return _farthest(sums, np.einsum("ij,j->i", rows, factors, dtype=np.float64))


def _by_terms(columns: Array, factors: Array) -> Array:
    """Σ column · factor. A spare element keeps NumPy from adding up single ones by halves."""
    terms = np.zeros((TERMS + 1, columns.shape[1] + 1), columns.dtype)
    for start in range(0, len(columns), TERMS):
        part = columns[start : start + TERMS]
        end = len(part) + 1
        np.multiply(part, factors[start : start + TERMS], out=terms[1:end, :-1])
        terms[0] = terms[:end].sum(axis=0)
    return terms[0, :-1]


def _by_steps(d: Array, x: Array, way: int) -> Array:
    steps = list(zip(d.swapaxes(0, 1), np.split(x, d.shape[1], axis=1), strict=True))
    total = np.zeros((len(d), len(x)), d.dtype)
    for at, before in steps[::way]:
        total += at @ before.T
    return total


def _farthest(sums: Sequence[Array], exact: Array) -> Array:
    """Of each element the one that is farthest from what it should be."""
    made = np.stack(sums)
    farthest = np.abs(made - exact).argmax(axis=0)
    return np.take_along_axis(made, farthest[None], axis=0)[0]


class InOrder:
    def __init__(self, session, weights):
        self.session, self.weights = session, weights

    def __getattr__(self, name):
        return getattr(self.session, name)

    def gradients(self, x, y, lengths=None):
        loss, gradients = self.session.gradients(x, y, lengths)
        for name, blocks in self.session.gradient_terms(x, y, lengths).items():
            total = np.concatenate([_block(*block) for block in blocks])
            size = np.shape(self.weights[name])
            gradients[name] = total[:, : size[1]] if total.ndim == 2 else total
        return loss, gradients


def _block(d, inputs):
    if inputs is None:
        return one_by_one(flat(d))
    out = np.empty((len(d), len(inputs)), d.dtype)
    outer(d, inputs, out, True)
    return out
