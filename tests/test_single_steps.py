"""Single steps of a running sequence: paths of their own, which compute what the sequence does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import jax_backend, numpy_backend, tensorflow_backend
from bench.gate.observe import advance_steps
from bench.spec import ModelSpec
from bench.weights import initial_weights

MODELS = [
    ("rnn", "reset_after"),
    ("lstm", "reset_after"),
    ("gru", "reset_after"),
    ("gru", "reset_before"),
    ("feedforward", "reset_after"),
]


def model(cell: str, variant: str = "reset_after", **fields: Any) -> ModelSpec:
    sizes = {"inputs": 3, "hidden": 5, "outputs": 2, "readout": "every", "dtype": "float64"}
    return ModelSpec(cell=cell, gru=variant, **{**sizes, **fields})


def open_session(spec: ModelSpec) -> Any:
    """A session of the reference."""
    params = initial_weights(spec, np.random.default_rng(3))
    return numpy_backend.open_session(spec, params, "cpu")


def sequence(batch: int, dtype: str = "float64") -> Any:
    return np.random.default_rng(0).standard_normal((batch, 6, 3)).astype(dtype)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("cell", "variant"), MODELS)
def test_single_steps_of_the_reference_equal_its_sequences(
    cell: str, variant: str, batch: int, layers: int
) -> None:
    session, x = open_session(model(cell, variant, layers=layers)), sequence(batch)
    np.testing.assert_allclose(advance_steps(session, x), session.predict(x), atol=1e-14)


@pytest.mark.parametrize(("cell", "variant"), MODELS)
def test_step_goes_on_from_where_a_longer_piece_ended(cell: str, variant: str) -> None:
    session, x = open_session(model(cell, variant, layers=2, readout="last")), sequence(2)
    _, state = session.advance(x[:, :-1])
    output, after = session.advance(x[:, -1:], state)
    expected, expected_after = session.advance(x)
    np.testing.assert_allclose(output, expected, atol=1e-14)
    np.testing.assert_allclose(np.array(after), np.array(expected_after), atol=1e-14)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_state_of_an_earlier_step_is_not_overwritten(cell: str) -> None:
    session, x = open_session(model(cell)), sequence(1)
    _, state = session.advance(x[:, :1])
    kept = np.array(state)
    first, _ = session.advance(x[:, 1:2], state)
    copy = first.copy()
    second, _ = session.advance(x[:, 2:3], state)
    np.testing.assert_array_equal(np.array(state), kept)
    np.testing.assert_array_equal(first, copy)
    assert not np.allclose(first, second)


def test_step_reads_the_weights_of_the_last_update() -> None:
    session, x = open_session(model("gru")), sequence(1)
    before, _ = session.advance(x[:, :1])
    session.step(x, np.ones((1, 6, 2)))
    after, _ = session.advance(x[:, :1])
    assert not np.allclose(before, after, atol=1e-6)
    np.testing.assert_allclose(after, session.predict(x[:, :1]), atol=1e-14)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_state_in_another_dtype_is_read_like_an_initial_state(cell: str) -> None:
    session = open_session(model(cell, dtype="float32"))
    wide = open_session(model(cell))
    x, (_, state) = sequence(1), wide.advance(sequence(1))
    output, after = session.advance(x[:, :1], state)
    assert output.dtype == np.array(after).dtype == np.float32
    expected, _ = wide.advance(x[:, :1], state)
    np.testing.assert_allclose(output, expected, atol=1e-6)


def test_large_preactivations_saturate_without_a_warning() -> None:
    spec = replace(model("lstm"), dtype="float32")
    params = {name: 1e4 * v for name, v in initial_weights(spec, np.random.default_rng(0)).items()}
    session, x = numpy_backend.open_session(spec, params, "cpu"), sequence(1, "float32")
    np.testing.assert_allclose(advance_steps(session, x), session.predict(x), rtol=1e-5)


# ---- compiled steps, whose weights are constants ------------------------------------------------


@pytest.mark.parametrize("most_constants", [0, 1 << 20], ids=["large", "small"])
def test_compiled_step_of_jax_reads_the_weights_of_the_last_update(
    most_constants: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backends._jax import session as session_module

    monkeypatch.setattr(session_module, "MOST_CONSTANTS", most_constants)
    spec = model("lstm", dtype="float32")
    params, x = initial_weights(spec, np.random.default_rng(3)), sequence(1, "float32")
    session = jax_backend.open_session(spec, params, "cpu")
    before = advance_steps(session, x)
    np.testing.assert_allclose(before, session.predict(x), atol=1e-6)
    session.step(x, np.ones((1, 6, 2), np.float32))
    after = advance_steps(session, x)
    assert not np.allclose(before, after, atol=1e-5)
    np.testing.assert_allclose(after, session.predict(x), atol=1e-6)


def test_graph_of_a_step_in_tensorflow_is_dropped_where_the_weights_change() -> None:
    spec = model("gru", dtype="float32")
    params, x = initial_weights(spec, np.random.default_rng(3)), sequence(1, "float32")
    session: Any = tensorflow_backend.open_session(spec, params, "cpu")
    before = advance_steps(session, x)
    session.step(x, np.ones((1, 6, 2), np.float32))
    after = advance_steps(session, x)
    assert not np.allclose(before, after, atol=1e-5)
    np.testing.assert_allclose(after, session.predict(x), atol=1e-6)
    session.restart(params)
    np.testing.assert_allclose(advance_steps(session, x), before, atol=1e-6)
