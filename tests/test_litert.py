"""LiteRT beyond the conformance suite, against the reference in float64."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import litert_backend, numpy_backend
from bench.gate.observe import advance_steps
from bench.spec import ModelSpec, Unsupported
from bench.weights import initial_weights

TOLERANCE = 1e-5
MODELS = [
    ("rnn", "reset_after", 1),
    ("lstm", "reset_after", 2),
    ("gru", "reset_after", 1),
    ("gru", "reset_before", 2),
    ("feedforward", "reset_after", 1),
]

installed = pytest.mark.skipif(
    litert_backend.unavailable("cpu") is not None, reason="LiteRT is not installed"
)


def model(cell: str, variant: str = "reset_after", **fields: Any) -> ModelSpec:
    return ModelSpec(cell=cell, gru=variant, **{"inputs": 3, "hidden": 5, "outputs": 2, **fields})


def open_sessions(spec: ModelSpec) -> tuple[Any, Any]:
    """A session of LiteRT, and one of the reference in float64 with the same weights."""
    params = initial_weights(spec, np.random.default_rng(3))
    return (
        litert_backend.open_session(spec, params, "cpu"),
        numpy_backend.open_session(replace(spec, dtype="float64"), params, "cpu"),
    )


def sequence(batch: int, time: int) -> Any:
    return np.random.default_rng(0).standard_normal((batch, time, 3)).astype(np.float32)


def assert_close(array: Any, reference: Any) -> None:
    assert np.shape(array) == np.shape(reference)
    assert np.asarray(array).dtype == np.float32
    np.testing.assert_allclose(array, reference, rtol=0, atol=TOLERANCE * np.abs(reference).max())


@installed
@pytest.mark.parametrize(("cell", "variant", "layers"), MODELS)
def test_sequence_of_several_blocks_agrees_with_the_reference(
    cell: str, variant: str, layers: int
) -> None:
    session, reference = open_sessions(model(cell, variant, layers=layers, readout="every"))
    x = sequence(2, 2 * session.block + 1)
    assert_close(session.predict(x), reference.predict(x))
    assert session.executed_path() == litert_backend.expected_path(session, "cpu")


@installed
def test_ends_of_sequences_may_lie_in_any_block() -> None:
    session, reference = open_sessions(model("lstm"))
    x = sequence(3, session.block + 2)
    lengths = np.array([session.block + 2, session.block, 1])
    x[2, 1:] = np.nan
    assert_close(session.predict(x, lengths), reference.predict(x, lengths))
    assert not np.allclose(session.predict(x[:2]), reference.predict(x[:2], lengths[:2]))


@installed
@pytest.mark.parametrize(("hidden", "steps"), [(5, 16), (128, 3), (400, 1)])
def test_block_is_as_long_as_its_weights_fit_into_the_cache(hidden: int, steps: int) -> None:
    session, reference = open_sessions(model("lstm", hidden=hidden))
    assert session.block == steps
    x = sequence(1, 4)
    assert_close(session.predict(x), reference.predict(x))


@installed
def test_state_is_carried_and_an_earlier_one_is_kept() -> None:
    session, reference = open_sessions(model("lstm", layers=2))
    x = sequence(1, 4)
    assert_close(advance_steps(session, x), advance_steps(reference, x))
    _, state = session.advance(x[:, :1])
    kept = np.array(state)
    first, _ = session.advance(x[:, 1:2], state)
    again, _ = session.advance(x[:, 1:2], list(state))
    np.testing.assert_array_equal(np.array(state), kept)
    np.testing.assert_array_equal(first, again)
    wide, _ = session.advance(x[:, 1:2], tuple(s.astype(np.float64) for s in state))
    np.testing.assert_array_equal(first, wide)


@installed
def test_what_does_not_train_is_refused() -> None:
    session, _ = open_sessions(model("rnn"))
    x, y = np.zeros((2, 3, 3)), np.zeros((2, 2))
    for method in ("gradients", "backward", "step", "hidden_gradients"):
        with pytest.raises(Unsupported, match="forward pass alone"):
            getattr(session, method)(x, y)


@pytest.mark.parametrize("fields", [{"dtype": "float64"}, {"bidirectional": True}])
def test_model_that_cannot_be_expressed_has_a_limit(fields: dict[str, Any]) -> None:
    assert litert_backend.SUPPORTS.limit(model("lstm", **fields))
    assert litert_backend.SUPPORTS.limit(model("lstm")) is None


def test_missing_package_and_other_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from backends._litert import runtime

    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(runtime.util, "find_spec", nothing)
    reason = litert_backend.unavailable("cpu")
    assert reason == "ai-edge-litert and tensorflow not installed"
    monkeypatch.setattr(runtime.util, "find_spec", lambda name: name)
    assert litert_backend.unavailable("cpu") is None
    assert litert_backend.unavailable("cuda") == "LiteRT runs here on cpu, not on cuda"
