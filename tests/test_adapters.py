"""Every adapter against the reference beyond what the gate compares: stacked and bidirectional
layers, sequences of unequal length, given initial states, masks."""

from typing import Any

import numpy as np
import pytest

import backends
from bench.spec import ModelSpec, Unsupported
from bench.weights import initial, shapes

TOLERANCE = 1e-9


def sessions(backend: str, spec: ModelSpec) -> tuple[Any, Any]:
    params = initial(spec, np.random.default_rng(3))
    return tuple(
        backends.load(name).open_session(spec, params, "cpu") for name in (backend, "numpy")
    )


def expressible(backend: str, spec: ModelSpec) -> None:
    """Strict: what a backend declares that it cannot express it must refuse."""
    if spec.cell == "gru" and spec.gru not in backends.load(backend).SUPPORTS.gru:
        with pytest.raises(Unsupported, match=spec.gru.replace("before", "(before|after)")):
            sessions(backend, spec)
        pytest.skip(f"{backend} declares that it has no gru {spec.gru}")


def close(ours: Any, reference: Any) -> None:
    assert np.shape(ours) == np.shape(reference)
    scale = max(float(np.max(np.abs(reference))), 1e-300)
    np.testing.assert_allclose(np.asarray(ours) / scale, reference / scale, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("cell", "variant"),
    [
        ("rnn", "reset_after"),
        ("lstm", "reset_after"),
        ("gru", "reset_after"),
        ("gru", "reset_before"),
        ("feedforward", "reset_after"),
    ],
)
@pytest.mark.parametrize(("readout", "loss"), [("last", "mse"), ("every", "cross_entropy")])
def test_stacked_bidirectional_ragged_sequences_with_given_states(
    backend: str, cell: str, variant: str, readout: str, loss: str
) -> None:
    spec = ModelSpec(
        cell=cell, inputs=3, hidden=5, outputs=2, layers=2, bidirectional=True, readout=readout,
        loss=loss, dtype="float64", gru=variant,
    )  # fmt: skip
    expressible(backend, spec)
    ours, reference = sessions(backend, spec)
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((4, 7, 3)), np.array([7, 2, 5, 1])
    y = rng.standard_normal((4, 2)) if loss == "mse" else rng.integers(-1, 2, (4, 7))
    states = rng.standard_normal((2, 4, 4, 5))
    given = (states[0], states[1]) if cell == "lstm" else states[0]
    for state in (None, given):
        close(ours.predict(x, lengths, state), reference.predict(x, lengths, state))
        close(ours.hidden_states(x, lengths, state), reference.hidden_states(x, lengths, state))
    (loss_a, grads_a), (loss_b, grads_b) = (s.gradients(x, y, lengths) for s in (ours, reference))
    assert loss_a == pytest.approx(loss_b, rel=TOLERANCE)
    assert set(grads_a) == set(grads_b) == {*shapes(spec), "x"}
    for name, value in grads_b.items():
        close(grads_a[name], value)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_targets_that_are_not_there_are_left_out(backend: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=2, readout="every", dtype="float64")
    ours, reference = sessions(backend, spec)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 4, 2))
    y[0, 1:], y[2, :, 1] = np.nan, np.nan
    (loss_a, grads_a), (loss_b, grads_b) = (s.gradients(x, y) for s in (ours, reference))
    assert loss_a == pytest.approx(loss_b, rel=TOLERANCE)
    for name, value in grads_b.items():
        close(grads_a[name], value)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_weights_come_back_as_they_went_in_and_a_step_moves_them_all(
    backend: str, cell: str
) -> None:
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=1, layers=2, dtype="float32")
    params = initial(spec, np.random.default_rng(0))
    session = backends.load(backend).open_session(spec, params, "cpu")
    there = session.params()
    assert {name: value.shape for name, value in there.items()} == shapes(spec)
    for name, value in params.items():
        np.testing.assert_array_equal(there[name], value)
    rng = np.random.default_rng(0)
    session.step(rng.standard_normal((4, 5, 2)), rng.standard_normal((4, 1)))
    session.wait()
    for name, value in session.params().items():
        assert (value != params[name]).any(), name


def test_a_device_that_is_not_there_is_refused(backend: str) -> None:
    spec = ModelSpec(cell="rnn", inputs=1, hidden=2, outputs=1)
    with pytest.raises(Unsupported):
        backends.load(backend).open_session(spec, initial(spec, np.random.default_rng(0)), "tpu")
