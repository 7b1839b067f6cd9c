"""The gate rejects a backend that is wrong at the edges of its contract."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from bench.gate.edges import NAN_OUTPUT, NO_TARGET, at_edges
from bench.gate.parity import parity
from bench.spec import Limit, ModelSpec, Params, Supports, Training
from studies import faulty_backends

MODEL = ModelSpec(cell="lstm", inputs=2, hidden=3, outputs=4, dtype="float64")
EVERYTHING = Supports()
LABELLED = replace(MODEL, readout="every", loss="cross_entropy")


def altered(**changes: Any) -> Any:
    """The reference with some methods that return something else than they computed."""

    def open_session(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
        session = faulty_backends._reference_session(spec, params, device, training)
        return faulty_backends.AlteredSession(session, changes)

    return faulty_backends.backend(open_session)


def not_a_number_if_zero(result: tuple[float, dict[str, Any]]) -> Any:
    loss, gradients = result
    return (loss or np.nan), gradients


def gradient_if_zero(result: tuple[float, dict[str, Any]]) -> Any:
    loss, gradients = result
    return loss, {name: g + 0.01 * (loss == 0) for name, g in gradients.items()}


@pytest.mark.parametrize(
    ("adapter", "name"),
    [
        (altered(predict=np.nan_to_num), NAN_OUTPUT),
        (altered(predict=lambda y: y + 0 * y.sum()), NAN_OUTPUT),
        (altered(gradients=not_a_number_if_zero), NO_TARGET),
        (altered(gradients=gradient_if_zero), NO_TARGET),
    ],
)
def test_wrong_edge_is_rejected_by_name(adapter: Any, name: str) -> None:
    outcome = parity(bench_for(adapter, task="char-lm", cell="gru"))
    assert outcome.failure is not None
    assert name in outcome.failure


def edges_of(model: ModelSpec, supports: Supports = EVERYTHING) -> list[str]:
    context = bench_for("numpy")
    weights = {**context.weights(model)}
    session = context.open_reference(model, weights)
    positions = (3, 5) if model.readout == "every" else (3,)
    labelled = model.loss == "cross_entropy"
    y: Any = np.zeros(positions, int) if labelled else np.zeros((*positions, model.outputs))
    differences = at_edges(session, model, supports, np.ones((3, 5, 2)), y)
    assert all(d.accepted for d in differences)
    return [d.array for d in differences]


def test_edges_are_tried_where_the_model_and_the_backend_have_them() -> None:
    assert edges_of(LABELLED) == [NAN_OUTPUT, NO_TARGET]
    assert edges_of(replace(MODEL, readout="every")) == [NAN_OUTPUT, NO_TARGET]
    assert edges_of(replace(LABELLED, readout="last", bidirectional=True)) == [
        NAN_OUTPUT,
        NO_TARGET,
    ]
    assert edges_of(MODEL) == [NAN_OUTPUT]
    swallows = Supports(nan_propagation=Limit("theirs", "it clamps"))
    assert edges_of(LABELLED, swallows) == [NO_TARGET]
