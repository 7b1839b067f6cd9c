"""Weight gradients: one product each over all steps."""

from typing import NamedTuple

import numpy as np

from backends._numpy.workspace import Workspace, flat
from bench.spec import Array


class Product(NamedTuple):
    """The gradient of some rows of a parameter, as the operands of one product: the sum over steps
    and batch of `derivatives` `(rows, T, B)` times `inputs` `(T, N, B)` transposed. The inputs of
    a bias are None: its gradient is the sum of the derivatives."""

    name: str
    derivatives: Array
    inputs: Array | None
    rows: slice = slice(None)


def multiply(product: Product, scratch: Workspace, out: Array) -> None:
    """Write the sum over all steps into `out`."""
    if product.inputs is None:
        np.sum(product.derivatives, axis=(1, 2), out=out)
    else:
        columns = scratch.columns("inputs", product.inputs)
        np.matmul(flat(product.derivatives), columns.T, out=out)


class GradientTerms(NamedTuple):
    """A weight gradient before it is summed: `derivatives` `(rows, T, B)` of the loss with respect
    to what these rows of weights compute at each step, and the `inputs` `(N, T·B)` that they were
    multiplied by, None for a bias. Steps are in the order in which the direction runs."""

    derivatives: Array
    inputs: Array | None


def terms(product: Product, shift: int) -> GradientTerms:
    """A copy of the operands, the rows rolled back by `shift`."""
    derivatives = np.roll(product.derivatives, -shift, axis=0)
    if product.inputs is None:
        return GradientTerms(derivatives, None)
    # The last bit of a sum depends on the memory layout of its operands: a copy keeps it.
    columns = Workspace(derivatives.dtype).columns("inputs", product.inputs)
    return GradientTerms(derivatives, columns.copy(order="K"))
