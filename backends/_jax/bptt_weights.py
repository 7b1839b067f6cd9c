"""The weights as the loops over time multiply them: rounded and laid out once, before the loop."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from jax import lax


class LoopWeights(NamedTuple):
    """The weights of one direction in one loop. Biases keep their dtype.

    Every product in a step is `x @ matrix`. Forward, `w` is Wᵀ `(D, G·H)` and `u` has the blocks of
    Uᵀ `(H, n·H)`; backward, `w` is None and `u` has the blocks of U `(n·H, H)`.
    """

    w: Any
    u: tuple[Any, ...]
    b: Any
    b_hn: Any


def forward_weights(weights: Any, blocks: Sequence[int], dtype: str) -> LoopWeights:
    """The weights of the loop forward; `blocks` are the gates that each product with U makes."""
    u = tuple(block.T for block in _cut(weights["u"], blocks))
    return _materialise(weights, weights["w"].T, u, dtype)


def backward_weights(weights: Any, blocks: Sequence[int], dtype: str) -> LoopWeights:
    """The weights of the loop backward; see `forward_weights`."""
    return _materialise(weights, None, _cut(weights["u"], blocks), dtype)


def _cut(u: Any, blocks: Sequence[int]) -> tuple[Any, ...]:
    """U `(G·H, H)` as one array for each block of gates."""
    size = u.shape[1]
    ends = (size * end for end in accumulate(blocks, initial=0))
    return tuple(u[start:stop] for start, stop in pairwise(ends))


def _materialise(weights: Any, w: Any, u: tuple[Any, ...], dtype: str) -> LoopWeights:
    """Round the matrices and store them as they are laid out here."""
    matrices = tuple(None if m is None else m.astype(dtype) for m in (w, *u))
    # A precaution: XLA must not merge a transposition or a cut with the products of the loop, or it
    # copies the matrix at every step.
    w, *u_blocks = lax.optimization_barrier(matrices)
    return LoopWeights(w, tuple(u_blocks), weights["b"], weights.get("b_hn"))
