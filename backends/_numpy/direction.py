"""One direction of one layer, its tape, and the derivatives that its backward pass returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from backends._bptt import CellPasses
from backends._numpy.products import Product
from backends._numpy.workspace import Workspace
from bench.spec import Array


@dataclass(frozen=True)
class Direction:
    """One direction of one layer: its cell and weights.

    The canonical names of its parameters start with `prefix`. `weights` has `u`, `b_hn` and `w`
    `(G·H, D + 1)`, whose last column is the bias. What the forward pass puts into `buffers` is
    still there in the backward pass; `scratch` is shared by all directions.
    """

    prefix: str
    cell: CellPasses
    reverse: bool
    weights: Mapping[str, Array]
    buffers: Workspace
    scratch: Workspace


class Tape(NamedTuple):
    """What `forward` saves for `backward`, which overwrites some of it: `gates` `(T, G, H, B)`,
    after σ and tanh; `hidden` and `cell_states` `(T + 1, H, B)`; `extra` `(T, H, B)`, which each
    cell defines."""

    gates: Array
    hidden: Array
    cell_states: Any = None
    extra: Any = None

    @property
    def final(self) -> tuple[Array, ...]:
        """The last state: h, and c where the cell has one."""
        if self.cell_states is None:
            return (self.hidden[-1],)
        return self.hidden[-1], self.cell_states[-1]


class Derivatives(NamedTuple):
    """What `backward` returns: the derivatives of the input side W x + b `(G·H, T, B)`, in the
    order of the rows of `w`, and the operands of the recurrent weights' gradients."""

    input_side: Array
    products: tuple[Product, ...] = ()
