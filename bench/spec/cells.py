"""The recurrent cells: one definition each, from which shapes, counts and checks follow.

To add a cell, define it here, implement it in the reference (`backends/_numpy`), and then in each
adapter that shall have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a cell computes at one step, and the arrays that it learns.

    In `equations` x is the input, h and c are the states before the step, h' and c' the states
    after it, σ is the logistic function and ∘ the product of elements. `gates` names the blocks of
    H rows that are stacked in `w (G·H, D)`, `u (G·H, H)` and `b (G·H,)`, in that order.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...] = ("h",)
    recurrent: bool = True
    variants: tuple[str, ...] = ()
    """Forms of the cell that `ModelSpec.gru` chooses from; empty where there is one form."""
    second_bias: tuple[str, ...] = ()
    """The variants that learn `b_hn (H,)`, the bias inside the product with r."""
    equations: str
    source: str

    def shapes(self, inputs: int, hidden: int, variant: str = "") -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of one layer in one direction, in canonical order."""
        rows = len(self.gates) * hidden
        shapes: dict[str, tuple[int, ...]] = {"w": (rows, inputs)}
        if self.recurrent:
            shapes["u"] = (rows, hidden)
        shapes["b"] = (rows,)
        if variant in self.second_bias:
            shapes["b_hn"] = (hidden,)
        return shapes


RESET_AFTER, RESET_BEFORE = "reset_after", "reset_before"
GRU_VARIANTS: Sequence[str] = (RESET_AFTER, RESET_BEFORE)

_ALL = (
    Cell(
        name="rnn",
        gates=("h",),
        equations="h' = tanh(W x + U h + b)",
        source="Elman 1990, Finding structure in time",
    ),
    Cell(
        name="lstm",
        gates=("i", "f", "g", "o"),
        states=("h", "c"),
        equations="c' = f∘c + i∘g, h' = o∘tanh(c'), with i, f, o = σ(W x + U h + b) and "
        "g = tanh(W x + U h + b), each gate with its own block of rows",
        source="Gers, Schmidhuber & Cummins 2000, Learning to forget (no peepholes)",
    ),
    Cell(
        name="gru",
        gates=("r", "z", "n"),
        variants=tuple(GRU_VARIANTS),
        second_bias=(RESET_AFTER,),
        equations="h' = (1 − z)∘n + z∘h, with r, z = σ(W x + U h + b) and, for reset_after, "
        "n = tanh(W x + b + r∘(U h + b_hn)), for reset_before "
        "n = tanh(W x + b + U (r∘h))",
        source="Cho et al. 2014, arXiv 1406.1078",
    ),
    Cell(
        name="feedforward",
        gates=("h",),
        recurrent=False,
        equations="h' = tanh(W x + b)",
        source="the rnn with no recurrence: the baseline without memory",
    ),
)

CELLS: Mapping[str, Cell] = {cell.name: cell for cell in _ALL}
"""Every cell by name, in the order in which tables show them."""
