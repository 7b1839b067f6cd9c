"""ONNX Runtime beyond the conformance suite, against the reference in float64."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import numpy_backend, onnxruntime_backend
from backends._threads import available_threads
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


def model(cell: str, variant: str = "reset_after", **fields: Any) -> ModelSpec:
    return ModelSpec(cell=cell, gru=variant, **{"inputs": 3, "hidden": 5, "outputs": 2, **fields})


def open_sessions(spec: ModelSpec) -> tuple[Any, Any]:
    """A session of ONNX Runtime, and one of the reference in float64 with the same weights."""
    params = initial_weights(spec, np.random.default_rng(3))
    in_float64 = replace(spec, dtype="float64")
    return (
        onnxruntime_backend.open_session(spec, params, "cpu"),
        numpy_backend.open_session(in_float64, params, "cpu"),
    )


def assert_close(array: Any, reference: Any) -> None:
    assert np.shape(array) == np.shape(reference)
    assert np.asarray(array).dtype == np.float32
    np.testing.assert_allclose(array, reference, rtol=0, atol=TOLERANCE * np.abs(reference).max())


@pytest.mark.parametrize(("cell", "variant"), CELLS)
def test_long_wide_sequences_agree_with_the_reference(cell: str, variant: str) -> None:
    session, reference = open_sessions(model(cell, variant, inputs=20, hidden=64, readout="every"))
    x = np.random.default_rng(0).standard_normal((8, 200, 20)).astype(np.float32)
    lengths = np.random.default_rng(0).integers(1, 201, 8)
    assert_close(session.predict(x), reference.predict(x))
    output = session.forward(session.put(x), session.put(lengths)).numpy()
    assert_close(output, reference.predict(x, lengths))


@pytest.mark.parametrize("layers", [1, 2])
def test_states_stay_on_the_device_between_calls(layers: int) -> None:
    session, reference = open_sessions(model("lstm", layers=layers))
    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype(np.float32)
    states, reference_states = None, None
    for steps in (slice(0, 1), slice(1, 6)):
        output, states = session.advance(x[:, steps], states)
        reference_output, reference_states = reference.advance(x[:, steps], reference_states)
        assert_close(output, reference_output)
    for state, reference_state in zip(states, reference_states, strict=True):
        assert_close(np.asarray(state), reference_state)


def test_decoder_reads_the_first_of_equal_outputs() -> None:
    """Classes 0 and 1 tie at every step; class 2, never the largest, shows what was read."""
    spec = model("rnn", outputs=3, loss="cross_entropy", decoder=3, readout="every")
    params = initial_weights(spec, np.random.default_rng(0))
    params["readout.w"] *= 0
    params["readout.w"][2] = 1e-3
    params["readout.b"][:] = [1, 1, -1]
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    session, reference = (
        module.open_session(spec, params, "cpu") for module in (onnxruntime_backend, numpy_backend)
    )
    assert_close(session.predict(x), reference.predict(x))


def test_unsupported_dtypes_methods_and_devices_are_declared_and_refused() -> None:
    spec = model("lstm")
    supports = onnxruntime_backend.SUPPORTS
    for dtype in ("float64", "bfloat16"):
        refused = replace(spec, dtype=dtype)
        assert supports.limit(refused).endswith("(theirs)")
        with pytest.raises(Unsupported, match="float32"):
            onnxruntime_backend.open_session(
                refused, initial_weights(refused, np.random.default_rng(0)), "cpu"
            )
    session, _ = open_sessions(spec)
    x, y = np.zeros((2, 3, 3)), np.zeros((2, 2))
    for method in ("gradients", "backward", "step", "hidden_gradients"):
        with pytest.raises(Unsupported, match="inference package"):
            getattr(session, method)(x, y)
    with pytest.raises(Unsupported):
        onnxruntime_backend.open_session(
            spec, initial_weights(spec, np.random.default_rng(0)), "tpu"
        )


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_executed_path_is_read_from_the_profile(cell: str) -> None:
    spec = model(cell)
    session, _ = open_sessions(spec)
    session.forward(np.zeros((4, 6, 3)))
    assert session.executed_path() == onnxruntime_backend.expected_path(spec, "cpu")


def test_executed_path_names_the_operators_that_ran_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backends._onnx import session as session_module

    session, _ = open_sessions(model("rnn"))
    model_bytes = session_module.model_bytes
    monkeypatch.setattr(
        session_module,
        "model_bytes",
        lambda spec, *arguments: model_bytes(replace(spec, cell="feedforward"), *arguments),
    )
    assert "MatMul" in session.executed_path()


def test_weights_come_back_unchanged() -> None:
    spec = model("gru", layers=2, bidirectional=True)
    params = initial_weights(spec, np.random.default_rng(0))
    returned = onnxruntime_backend.open_session(spec, params, "cpu").params()
    assert set(returned) == set(params)
    for name, value in params.items():
        np.testing.assert_array_equal(returned[name], value)


def test_threads_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert onnxruntime_backend.settings("cpu")["intra_threads"] == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= available_threads() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("cell", "passed"), [("rnn", True), ("lstm", False), ("gru", False), ("feedforward", True)]
)
def test_limit_on_nan_is_true_of_the_lstm_and_the_gru(cell: str, passed: bool) -> None:
    session, _ = open_sessions(model(cell))
    x = np.zeros((4, 6, 3))
    x[0, -1] = np.nan
    assert np.isnan(session.predict(x)).any() == passed
