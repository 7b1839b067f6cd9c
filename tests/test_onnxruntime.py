"""ONNX Runtime beyond the conformance suite, against the reference in float64."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import numpy_backend, onnxruntime_backend
from bench.spec import ModelSpec, Unsupported
from bench.weights import initial_weights

TOLERANCE = 1e-5
CELLS = [
    ("rnn", "reset_after"),
    ("lstm", "reset_after"),
    ("gru", "reset_after"),
    ("gru", "reset_before"),
    ("feedforward", "reset_after"),
]


def model(cell: str, variant: str = "reset_after", **more: Any) -> ModelSpec:
    return ModelSpec(cell=cell, gru=variant, **{"inputs": 3, "hidden": 5, "outputs": 2, **more})


def sessions(spec: ModelSpec) -> tuple[Any, Any]:
    params = initial_weights(spec, np.random.default_rng(3))
    wide = replace(spec, dtype="float64")
    return (
        onnxruntime_backend.open_session(spec, params, "cpu"),
        numpy_backend.open_session(wide, params, "cpu"),
    )


def close(ours: Any, reference: Any) -> None:
    assert np.shape(ours) == np.shape(reference)
    assert np.asarray(ours).dtype == np.float32
    np.testing.assert_allclose(ours, reference, rtol=0, atol=TOLERANCE * np.abs(reference).max())


@pytest.mark.parametrize(("cell", "variant"), CELLS)
def test_long_wide_sequences(cell: str, variant: str) -> None:
    spec = model(cell, variant, inputs=20, hidden=64, readout="every")
    ours, reference = sessions(spec)
    x = np.random.default_rng(0).standard_normal((8, 200, 20)).astype(np.float32)
    lengths = np.random.default_rng(0).integers(1, 201, 8)
    close(ours.predict(x), reference.predict(x))
    close(ours.forward(ours.put(x), ours.put(lengths)).numpy(), reference.predict(x, lengths))


@pytest.mark.parametrize("layers", [1, 2])
def test_states_stay_on_the_device_between_calls(layers: int) -> None:
    ours, reference = sessions(model("lstm", layers=layers))
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype(np.float32)
    state, state_there = None, None
    for part in (slice(0, 1), slice(1, 6)):
        written, state = ours.advance(x[:, part], state)
        there, state_there = reference.advance(x[:, part], state_there)
        close(written, there)
    for value, truth in zip(state, state_there, strict=True):
        close(value.numpy(), truth)


def test_of_equal_outputs_the_first_class_is_read() -> None:
    """Classes 0 and 1 tie at every step; class 2, never the largest, tells what was read."""
    spec = model("rnn", outputs=3, loss="cross_entropy", decoder=3, readout="every")
    params = initial_weights(spec, np.random.default_rng(0))
    params["readout.w"] *= 0
    params["readout.w"][2] = 1e-3
    params["readout.b"][:] = [1, 1, -1]
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    ours, reference = (
        module.open_session(spec, params, "cpu") for module in (onnxruntime_backend, numpy_backend)
    )
    close(ours.predict(x), reference.predict(x))


def test_what_it_does_not_do_is_declared_and_refused() -> None:
    spec = model("lstm")
    supports = onnxruntime_backend.SUPPORTS
    for dtype in ("float64", "bfloat16"):
        wide = replace(spec, dtype=dtype)
        assert supports.limit(wide).endswith("(theirs)")
        with pytest.raises(Unsupported, match="float32"):
            onnxruntime_backend.open_session(
                wide, initial_weights(wide, np.random.default_rng(0)), "cpu"
            )
    session, _ = sessions(spec)
    x, y = np.zeros((2, 3, 3)), np.zeros((2, 2))
    for method in ("gradients", "backward", "step", "hidden_gradients"):
        with pytest.raises(Unsupported, match="ONNX Runtime"):
            getattr(session, method)(x, y)
    with pytest.raises(Unsupported):
        onnxruntime_backend.open_session(
            spec, initial_weights(spec, np.random.default_rng(0)), "tpu"
        )


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_the_operator_that_ran_is_read_from_the_profile(cell: str) -> None:
    spec = model(cell)
    session, _ = sessions(spec)
    session.forward(np.zeros((4, 6, 3)))
    assert session.executed_path() == onnxruntime_backend.expected_path(spec, "cpu")


def test_another_operator_in_its_place_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = sessions(model("rnn"))
    own = onnxruntime_backend.written
    monkeypatch.setattr(
        onnxruntime_backend,
        "written",
        lambda spec, *more: own(replace(spec, cell="feedforward"), *more),
    )
    assert "MatMul" in session.executed_path()


def test_weights_come_back_as_they_went_in() -> None:
    spec = model("gru", layers=2, bidirectional=True)
    params = initial_weights(spec, np.random.default_rng(0))
    session = onnxruntime_backend.open_session(spec, params, "cpu")
    found = session.params()
    assert set(found) == set(params)
    for name, value in params.items():
        np.testing.assert_array_equal(found[name], value)


def test_threads_are_those_that_the_process_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert onnxruntime_backend.settings("cpu")["intra_threads"] == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= onnxruntime_backend.threads() <= (os.cpu_count() or 1)
