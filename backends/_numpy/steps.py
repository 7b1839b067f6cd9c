"""What the cells compute at one step, in place, and how they treat padding.

`padding` `(T, 1, B)` is the inverse of the mask: true beyond the end of a sequence, where the state
is held. It is None where all sequences are full. NumPy's `where=` names the elements that are
overwritten, so these functions take it and not the mask.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.spec import Array

ELEMENTS = 1 << 17
"""How many elements of the factors are computed at once: about what a core's own cache holds."""


# ---- forward ----------------------------------------------------------------------------------


def steps_of(padding: Array | None, time: int) -> Any:
    """The padding of each step, None where all sequences are full."""
    return [None] * time if padding is None else padding


def sigmoid(a: Array, one: Array) -> None:
    """σ(a) = 1 / (1 + exp(−a)), in place. For large −a, exp overflows to ∞ and σ is 0. `one` is an
    array without dimensions: NumPy takes longer for a number."""
    np.negative(a, out=a)
    np.exp(a, out=a)
    np.add(a, one, out=a)
    np.reciprocal(a, out=a)


def interpolate(h: Array, z: Array, n: Array, out: Array) -> None:
    """The gru's h' = (1 − z)∘n + z∘h, as n + z∘(h − n)."""
    np.subtract(h, n, out=out)
    out *= z
    out += n


def hold(before: Array, after: Array, padding: Array | None) -> None:
    """Replace the state after a step by the one before it beyond the end of a sequence."""
    if padding is not None:
        np.copyto(after, before, where=padding)


# ---- backward ---------------------------------------------------------------------------------


def blocks_in_reverse(time: int, elements: int) -> Iterator[slice]:
    """Blocks of steps, the last first, whose factors have about `ELEMENTS` elements together;
    `elements` is how many one step has."""
    length = max(1, ELEMENTS // elements)
    for stop in range(time, 0, -length):
        yield slice(max(0, stop - length), stop)


def in_reverse(block: slice, *sequences: Array) -> Iterator[tuple[Any, ...]]:
    """Each step of a block with its elements of the sequences, the last first."""
    numbers = range(block.stop - 1, block.start - 1, -1)
    return zip(numbers, *(sequence[::-1] for sequence in sequences), strict=True)


def tanh_slope(tanh: Array, out: Array) -> Array:
    """tanh' = 1 − tanh²."""
    np.multiply(tanh, tanh, out=out)
    return np.subtract(1, out, out=out)


def sigmoid_slope(sigmoid: Array, out: Array) -> Array:
    """σ' = σ − σ²."""
    np.multiply(sigmoid, sigmoid, out=out)
    return np.subtract(sigmoid, out, out=out)


def interpolation_factors(h: Array, n: Array, z: Array, dh: Array, dn: Array, dz: Array) -> None:
    """The derivatives of h' = (1 − z)∘n + z∘h with respect to h, into `dh`, and to the
    preactivations of n and z, into `dn` and `dz`."""
    np.subtract(h, n, out=dh)
    sigmoid_slope(z, dz)
    dz *= dh
    tanh_slope(n, dn)
    np.subtract(1, z, out=dh)
    dn *= dh
    np.copyto(dh, z)


def clear_padding(factors: Array, block: slice, padding: Array | None) -> None:
    """Set the factors to 0 beyond the end of a sequence: nothing flows into the cell there."""
    if padding is not None:
        steps = padding[block]
        np.copyto(factors, 0, where=steps if factors.ndim == 3 else steps[:, None])


def pass_held_factors(factors: Array, block: slice, padding: Array | None) -> None:
    """As `clear_padding`, but the first factor, dh'/dh, is 1: a held state passes its derivative
    on to the state before it."""
    if padding is not None:
        clear_padding(factors, block, padding)
        np.copyto(factors[:, 0], 1, where=padding[block])


def pass_held(before: Array, after: Array, padding: Array | None) -> None:
    """Add the derivative of a held state to that of the state before it."""
    if padding is not None:
        np.add(before, after, out=before, where=padding)
