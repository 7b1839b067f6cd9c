"""A cell is defined in one place: what follows from its definition, and what a new one touches."""

import numpy as np
import pytest

import backends
from bench.spec import CELLS, Cell, ModelSpec
from bench.weights import initial_weights

MINIMAL = Cell(
    name="mgu",
    gates=("f", "h"),
    equations="h' = (1 − f)∘h + f∘tanh(W x + U (f∘h) + b), with f = σ(W x + U h + b)",
    source="Zhou et al. 2016, arXiv 1603.09420",
)


@pytest.fixture
def new_cell(monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model of a cell that no adapter has."""
    monkeypatch.setitem(CELLS, MINIMAL.name, MINIMAL)  # type: ignore[arg-type]
    return ModelSpec(cell=MINIMAL.name, inputs=2, hidden=3, outputs=1)


def test_weights_of_a_new_cell_follow_from_its_definition(new_cell: ModelSpec) -> None:
    weights = initial_weights(new_cell, np.random.default_rng(0), "orthogonal")
    shapes = {name: array.shape for name, array in weights.items() if name.startswith("layers")}
    assert shapes == {
        "layers.0.forward.w": (6, 2),
        "layers.0.forward.u": (6, 3),
        "layers.0.forward.b": (6,),
    }


@pytest.mark.parametrize("name", backends.names())
def test_adapter_refuses_a_cell_that_it_does_not_name(name: str, new_cell: ModelSpec) -> None:
    assert backends.load(name).SUPPORTS.limit(new_cell) == "no mgu: not written (ours)"


@pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
def test_cell_states_its_equations_and_source(cell: Cell) -> None:
    assert "h' = " in cell.equations and cell.source
    assert cell.states[0] == "h"
    assert ("u" in cell.shapes(2, 3)) == cell.recurrent
