"""The NumPy reference against finite differences and against its own definitions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import numpy_backend
from bench.spec import CELLS, ModelSpec, Training
from bench.weights import initial

STEP = 1e-6

models = st.builds(
    ModelSpec,
    cell=st.sampled_from(CELLS),
    inputs=st.integers(1, 3),
    hidden=st.integers(1, 4),
    outputs=st.integers(1, 3),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    readout=st.sampled_from(["last", "every"]),
    loss=st.sampled_from(["mse", "cross_entropy"]),
    dtype=st.just("float64"),
    gru=st.sampled_from(["reset_after", "reset_before"]),
)


def batch(spec: ModelSpec, rng: np.random.Generator, size: int, time: int) -> tuple[Any, Any]:
    positions = (size,) if spec.readout == "last" else (size, time)
    x = rng.standard_normal((size, time, spec.inputs))
    if spec.loss == "cross_entropy":
        y = rng.integers(-1, spec.outputs, positions)
        y.flat[0] = 0
        return x, y
    y = rng.standard_normal((*positions, spec.outputs))
    if spec.readout == "every" and time > 1:
        y[0, 1] = np.nan
    return x, y


def loss_at(spec: ModelSpec, params: Any, x: Any, y: Any, lengths: Any) -> float:
    session = numpy_backend.open_session(spec, params, "cpu")
    return session.gradients(x, y, lengths)[0]


@settings(max_examples=60, deadline=None)
@given(models, st.integers(1, 3), st.integers(1, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_gradient_is_the_slope_of_the_loss(
    spec: ModelSpec, size: int, time: int, ragged: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    params, (x, y) = initial(spec, rng), batch(spec, rng, size, time)
    lengths = rng.integers(1, time + 1, size) if ragged else None
    _, gradients = numpy_backend.open_session(spec, params, "cpu").gradients(x, y, lengths)
    places = {**params, "x": x}
    assert set(gradients) == set(places)
    for name, value in places.items():
        direction = rng.standard_normal(value.shape)

        def moved(sign: int, name: str = name, direction: Any = direction) -> float:
            there = {**places, name: places[name] + sign * STEP * direction}
            return loss_at(spec, there, there.pop("x"), y, lengths)

        slope = (moved(1) - moved(-1)) / (2 * STEP)
        assert slope == pytest.approx(
            float((gradients[name] * direction).sum()), rel=1e-5, abs=1e-7
        )


@settings(max_examples=25, deadline=None)
@given(models, st.integers(0, 2**32 - 1))
def test_padding_changes_nothing(spec: ModelSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, (x, y) = initial(spec, rng), batch(spec, rng, 3, 5)
    if spec.readout == "every" and spec.loss == "cross_entropy":
        y[1, 3:] = y[2, 1:] = -1
    lengths, other = np.array([5, 3, 1]), x.copy()
    other[1, 3:], other[2, 1:] = 99, -99
    session = numpy_backend.open_session(spec, params, "cpu")
    np.testing.assert_array_equal(session.predict(x, lengths), session.predict(other, lengths))
    for name, value in session.gradients(x, y, lengths)[1].items():
        np.testing.assert_array_equal(value, session.gradients(other, y, lengths)[1][name])
    assert not session.gradients(other, y, lengths)[1]["x"][2, 1:].any()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_gives_the_same_alone_as_padded_in_a_batch(
    cell: str, bidirectional: bool
) -> None:
    spec = ModelSpec(
        cell=cell, inputs=2, hidden=3, outputs=2, layers=2, bidirectional=bidirectional,
        dtype="float64",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    session = numpy_backend.open_session(spec, initial(spec, rng), "cpu")
    x, lengths = rng.standard_normal((3, 6, 2)), np.array([6, 4, 1])
    together = session.predict(x, lengths)
    for row, length in enumerate(lengths):
        alone = session.predict(x[row : row + 1, :length])
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_a_given_initial_state_continues_a_sequence(cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=2, dtype="float64")
    rng = np.random.default_rng(0)
    session = numpy_backend.open_session(spec, initial(spec, rng), "cpu")
    x = rng.standard_normal((2, 5, 2))
    state = session.hidden_states(x[:, :3])[:, -1][None]
    np.testing.assert_allclose(session.predict(x[:, 3:], None, state), session.predict(x))


def test_total_hidden_gradients_are_the_slopes_of_a_nudged_state() -> None:
    """dL/dh_t by restarting the sequence from a nudged h_t."""
    spec = ModelSpec(cell="gru", inputs=2, hidden=3, outputs=1, dtype="float64")
    rng = np.random.default_rng(1)
    session = numpy_backend.open_session(spec, initial(spec, rng), "cpu")
    x, y, t = rng.standard_normal((1, 6, 2)), rng.standard_normal((1, 1)), 2
    state = session.hidden_states(x)[:, t][None]
    for unit in range(3):
        nudge = np.zeros_like(state)
        nudge[0, 0, unit] = STEP
        up, down = (
            float(((session.predict(x[:, t + 1 :], None, state + s * nudge) - y) ** 2).mean())
            for s in (1, -1)
        )
        found = session.hidden_gradients(x, y)[0, t, unit]
        assert found == pytest.approx((up - down) / (2 * STEP), rel=1e-6)


def test_adam_follows_the_paper_by_hand() -> None:
    training = Training(learning_rate=0.1, clip_norm=None)
    weights = {"readout.w": np.array([[1.0]])}
    adam = numpy_backend.Adam(training, weights)
    adam.update(weights, {"readout.w": np.array([[2.0]])})
    assert weights["readout.w"][0, 0] == pytest.approx(1 - 0.1 * 2 / (2 + 1e-8), abs=1e-15)
    adam.update(weights, {"readout.w": np.array([[-1.0]])})
    mean = (0.9 * 0.1 * 2 + 0.1 * -1) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 4 + 0.001 * 1) / (1 - 0.999**2)
    expected = 1 - 0.1 * 2 / (2 + 1e-8) - 0.1 * mean / (square**0.5 + 1e-8)
    assert weights["readout.w"][0, 0] == pytest.approx(expected, abs=1e-14)


def test_clipping_scales_by_the_global_norm() -> None:
    grads = {"a": np.array([3.0]), "b": np.array([4.0])}
    clip = numpy_backend.Adam(Training(clip_norm=1.0), grads)._clip
    assert clip(grads) == pytest.approx(1 / 5)
    assert clip({"a": np.array([0.3]), "b": np.array([0.4])}) == 1


def test_a_target_that_is_not_a_number_is_left_out_but_a_prediction_is_not() -> None:
    prediction, y = np.zeros((1, 2, 1)), np.array([[[1.0], [np.nan]]])
    loss, derivative = numpy_backend.mse(prediction, y)
    assert loss == 1
    assert derivative[0, :, 0].tolist() == [-2, 0]
    assert np.isnan(numpy_backend.mse(np.full((1, 2, 1), np.nan), y)[0])


def test_cross_entropy_does_not_overflow_and_leaves_out_what_is_unlabelled() -> None:
    logits = np.array([[[1000.0, 0.0], [0.0, 5.0], [0.0, 0.0]]])
    loss, derivative = numpy_backend.cross_entropy(logits, np.array([[0, -1, 1]]))
    assert loss == pytest.approx(np.log(2) / 2)
    assert not derivative[0, 1].any()
