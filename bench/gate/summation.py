"""The allowance for the order of summation: gradients that are added up one term after another.

Where a sequence stands still so do the terms of a gradient. A sum in order then rounds the same
way at every addition, and its error grows as n, not as √n. Libraries do add up like this: MKL for
narrow products, oneDNN for biases. So the gate adds up the reference's own terms in the worst of
these orders, and a float32 gradient may be `FACTOR` times as far off as that.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from bench.spec import Array, Params

FACTOR = 2.0
"""Two, because a library's terms may differ from the reference's and be rounded otherwise: some
divide the loss by the count after the sum."""
NARROW = 16
"""A product over all steps with at most this many rows or columns, the bias counted, may be added
up one term after another. MKL does so up to 11 (PyTorch 2.13, AMD EPYC) and adds up wider ones in
blocks."""
ORDERS = (1, -1)
"""Strides through the terms: forwards, and backwards as a backward pass runs. A sum loses more
where small terms follow large ones."""
SCALES = (1.0, 1.25, 1.5, 1.75)
"""The error of a sum of equal terms depends on where they lie between two powers of two."""
CHUNK = 256
"""Terms that are multiplied out at once."""


class GradientTerms(Protocol):
    """A block of rows of a weight gradient before it is summed.

    The gradient is the sum over all columns of `derivatives` `(rows, T, B)` times `inputs`
    `(N, T·B)` transposed; `inputs` is None for a bias.
    """

    @property
    def derivatives(self) -> Array: ...
    @property
    def inputs(self) -> Array | None: ...


def gradients_in_order(
    terms: Mapping[str, Sequence[GradientTerms]], weights: Params
) -> dict[str, Array]:
    """The gradient of every weight, added up in the order that loses most.

    The inputs of a `w` end with a row of ones for the bias. It counts for `NARROW` as in a
    library's product, and its column is left out of the result.
    """
    sums = {
        name: np.concatenate([_sum_block(b.derivatives, b.inputs) for b in blocks])
        for name, blocks in terms.items()
    }
    return {
        name: total[:, : weights[name].shape[1]] if total.ndim == 2 else total
        for name, total in sums.items()
    }


def _sum_block(derivatives: Array, inputs: Array | None) -> Array:
    if inputs is None:
        return sum_in_order(_columns(derivatives))
    return product_in_order(derivatives, inputs)


def product_in_order(derivatives: Array, inputs: Array) -> Array:
    """Σ derivatives · inputsᵀ over all columns, for derivatives `(rows, T, B)` and inputs
    `(N, T·B)`: one term after another where the result is narrow, else one step after another."""
    columns = _columns(derivatives)
    if min(len(derivatives), len(inputs)) > NARROW:
        exact = np.empty((len(derivatives), len(inputs)), derivatives.dtype)
        np.matmul(columns, inputs.T, out=exact)
        return _farthest([_sum_by_steps(derivatives, inputs, order) for order in ORDERS], exact)
    if len(inputs) > len(derivatives):
        return np.array([sum_in_order(inputs, factors) for factors in columns])
    return np.array([sum_in_order(columns, factors) for factors in inputs]).T


def sum_in_order(rows: Array, factors: Array | None = None) -> Array:
    """The sum of each row `(rows, n)`, times `factors` `(n,)` if given, one term after another.

    The sum is made in every order and at every scale, by which the factors are multiplied and the
    sum is divided. Each row takes the sum that is farthest from the exact one.
    """
    factors = np.ones(rows.shape[1], rows.dtype) if factors is None else factors
    columns, weights = np.ascontiguousarray(rows.T), factors[:, None]
    sums = [
        _sum_by_terms(columns[::order], weights[::order] * scale) / scale
        for order in ORDERS
        for scale in SCALES
    ]
    return _farthest(sums, np.einsum("ij,j->i", rows, factors, dtype=np.float64))


def _sum_by_terms(columns: Array, factors: Array) -> Array:
    """Σ column · factor, one after another."""
    # NumPy adds up an array of one element pairwise, by halves: a spare element prevents it.
    terms = np.zeros((CHUNK + 1, columns.shape[1] + 1), columns.dtype)
    for start in range(0, len(columns), CHUNK):
        chunk = columns[start : start + CHUNK]
        end = len(chunk) + 1
        np.multiply(chunk, factors[start : start + CHUNK], out=terms[1:end, :-1])
        terms[0] = terms[:end].sum(axis=0)
    return terms[0, :-1]


def _sum_by_steps(derivatives: Array, inputs: Array, order: int) -> Array:
    """The product of each step, added one after another."""
    inputs_by_step = np.split(inputs, derivatives.shape[1], axis=1)
    steps = list(zip(derivatives.swapaxes(0, 1), inputs_by_step, strict=True))
    total = np.zeros((len(derivatives), len(inputs)), derivatives.dtype)
    for step_derivatives, step_inputs in steps[::order]:
        total += step_derivatives @ step_inputs.T
    return total


def _farthest(sums: Sequence[Array], exact: Array) -> Array:
    """For each element the sum that is farthest from the exact one."""
    candidates = np.stack(sums)
    farthest = np.abs(candidates - exact).argmax(axis=0)
    chosen: Array = np.take_along_axis(candidates, farthest[None], axis=0)[0]
    return chosen


def _columns(derivatives: Array) -> Array:
    """`(rows, T, B)` as `(rows, T·B)`."""
    return derivatives.reshape(len(derivatives), -1)
