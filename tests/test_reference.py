"""The NumPy reference against finite differences and against its definitions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import numpy_backend
from backends._numpy.decoder import teacher_forcing
from backends._numpy.losses import LOSSES, cross_entropy, mse
from backends._numpy.optimiser import BLOCK, Adam, clip
from bench.spec import CELLS, ModelSpec, Training, Unsupported
from bench.weights import initial_weights

STEP = 1e-6

encoders = st.builds(
    ModelSpec,
    cell=st.sampled_from(list(CELLS)),
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


def with_decoder(spec: ModelSpec, steps: int) -> ModelSpec:
    cell = "lstm" if spec.cell == "feedforward" else spec.cell
    return replace(spec, cell=cell, bidirectional=False, readout="every", decoder=steps)


decoders = st.builds(with_decoder, encoders, st.integers(1, 4))
models = encoders | decoders


def batch(spec: ModelSpec, rng: np.random.Generator, size: int, time: int) -> tuple[Any, Any]:
    """A random batch: some labels are −1, and one target of every-step models is NaN."""
    steps = spec.decoder or time
    positions = (size,) if spec.readout == "last" else (size, steps)
    x = rng.standard_normal((size, time, spec.inputs))
    if spec.loss == "cross_entropy":
        y = rng.integers(-1, spec.outputs, positions)
        y.flat[0] = 0
        return x, y
    y = rng.standard_normal((*positions, spec.outputs))
    if spec.readout == "every" and steps > 1:
        y[0, 1] = np.nan
    return x, y


def loss_at(spec: ModelSpec, params: Any, x: Any, y: Any, lengths: Any) -> float:
    session = numpy_backend.open_session(spec, params, "cpu")
    return session.gradients(x, y, lengths)[0]


@settings(max_examples=100, deadline=None)
@given(models, st.integers(1, 3), st.integers(1, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_gradient_is_the_slope_of_the_loss(
    spec: ModelSpec, size: int, time: int, ragged: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    params, (x, y) = initial_weights(spec, rng), batch(spec, rng, size, time)
    lengths = rng.integers(1, time + 1, size) if ragged else None
    _, gradients = numpy_backend.open_session(spec, params, "cpu").gradients(x, y, lengths)
    variables = {**params, "x": x}
    assert set(gradients) == set(variables)
    for name, value in variables.items():
        direction = rng.standard_normal(value.shape)

        def perturbed(sign: int, name: str = name, direction: Any = direction) -> float:
            moved = {**variables, name: variables[name] + sign * STEP * direction}
            return loss_at(spec, moved, moved.pop("x"), y, lengths)

        slope = (perturbed(1) - perturbed(-1)) / (2 * STEP)
        assert slope == pytest.approx(
            float((gradients[name] * direction).sum()), rel=1e-5, abs=1e-7
        )


@settings(max_examples=25, deadline=None)
@given(models, st.integers(0, 2**32 - 1))
def test_values_in_padding_change_nothing(spec: ModelSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, (x, y) = initial_weights(spec, rng), batch(spec, rng, 3, 5)
    if spec.readout == "every" and spec.loss == "cross_entropy" and not spec.decoder:
        y[1, 3:] = y[2, 1:] = -1
    lengths, padded = np.array([5, 3, 1]), x.copy()
    padded[1, 3:], padded[2, 1:] = 99, -99
    session = numpy_backend.open_session(spec, params, "cpu")
    np.testing.assert_array_equal(session.predict(x, lengths), session.predict(padded, lengths))
    for name, value in session.gradients(x, y, lengths)[1].items():
        np.testing.assert_array_equal(value, session.gradients(padded, y, lengths)[1][name])
    assert not session.gradients(padded, y, lengths)[1]["x"][2, 1:].any()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_sequence_gives_the_same_prediction_unpadded_as_padded_in_a_batch(
    cell: str, bidirectional: bool
) -> None:
    spec = ModelSpec(
        cell=cell, inputs=2, hidden=3, outputs=2, layers=2, bidirectional=bidirectional,
        dtype="float64",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    session = numpy_backend.open_session(spec, initial_weights(spec, rng), "cpu")
    x, lengths = rng.standard_normal((3, 6, 2)), np.array([6, 4, 1])
    predictions = session.predict(x, lengths)
    for n, length in enumerate(lengths):
        unpadded = session.predict(x[n : n + 1, :length])
        np.testing.assert_allclose(predictions[n], unpadded[0], rtol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_initial_state_continues_a_sequence(cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=2, dtype="float64")
    rng = np.random.default_rng(0)
    session = numpy_backend.open_session(spec, initial_weights(spec, rng), "cpu")
    x = rng.standard_normal((2, 5, 2))
    state = session.hidden_states(x[:, :3])[:, -1][None]
    np.testing.assert_allclose(session.predict(x[:, 3:], None, state), session.predict(x))


@settings(max_examples=25, deadline=None)
@given(decoders, st.integers(0, 2**32 - 1))
def test_generated_output_equals_the_output_under_teacher_forcing_with_itself(
    spec: ModelSpec, seed: int
) -> None:
    """Then the loss of the prediction against itself is the loss that training reports."""
    rng = np.random.default_rng(seed)
    params, (x, _) = initial_weights(spec, rng), batch(spec, rng, 3, 4)
    session = numpy_backend.open_session(spec, params, "cpu")
    prediction = session.predict(x, lengths := np.array([4, 1, 2]))
    assert prediction.shape == (3, spec.decoder, spec.outputs)
    targets = prediction if spec.loss == "mse" else prediction.argmax(axis=2)
    expected, _ = LOSSES[spec.loss](prediction, targets)
    loss, _ = session.gradients(x, targets, lengths)
    assert loss == pytest.approx(expected, rel=1e-12, abs=1e-25)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("cross_entropy", np.array([[1, -1, 0]])),
        ("mse", np.array([[[0, 1], [np.nan, np.nan], [1, 0]]])),
    ],
)
def test_teacher_forcing_shows_the_begin_flag_then_the_previous_targets(loss: str, y: Any) -> None:
    """A missing target is shown as zeros."""
    spec = ModelSpec(
        cell="rnn", inputs=1, hidden=1, outputs=2, readout="every", loss=loss, dtype="float64",
        decoder=3,
    )  # fmt: skip
    inputs = teacher_forcing(spec, y)[:, :-1, 0]
    assert inputs.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(encoders, st.integers(0, 2**32 - 1))
def test_advance_over_parts_equals_predict_over_the_whole(spec: ModelSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, (x, _) = initial_weights(spec, rng), batch(spec, rng, 2, 6)
    session = numpy_backend.open_session(spec, params, "cpu")
    if spec.bidirectional:
        with pytest.raises(Unsupported):
            session.advance(x)
        return
    first, state = session.advance(x[:, :1])
    second, _ = session.advance(x[:, 1:], state)
    joined = second if spec.readout == "last" else np.concatenate([first, second], axis=1)
    np.testing.assert_allclose(joined, session.predict(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decoder", [0, 1])
def test_hidden_gradients_are_the_slopes_of_the_loss_for_a_perturbed_state(decoder: int) -> None:
    """dL/dh_t by restarting the sequence from a perturbed h_t."""
    spec = ModelSpec(
        cell="gru", inputs=2, hidden=3, outputs=1, dtype="float64", decoder=decoder,
        readout="every" if decoder else "last",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    session = numpy_backend.open_session(spec, initial_weights(spec, rng), "cpu")
    x, t = rng.standard_normal((1, 6, 2)), 2
    y = rng.standard_normal((1, 1, 1) if decoder else (1, 1))
    state = session.hidden_states(x)[:, t][None]
    for unit in range(3):
        perturbation = np.zeros_like(state)
        perturbation[0, 0, unit] = STEP
        up, down = (
            session.predict(x[:, t + 1 :], None, state + sign * perturbation) for sign in (1, -1)
        )
        slope = (((up - y) ** 2).mean() - ((down - y) ** 2).mean()) / (2 * STEP)
        assert session.hidden_gradients(x, y)[0, t, unit] == pytest.approx(float(slope), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(models, st.integers(0, 2**32 - 1))
def test_returned_arrays_stay_as_they_are_after_later_calls_of_other_sizes(
    spec: ModelSpec, seed: int
) -> None:
    """The session uses its buffers again from call to call, but never those it returned."""
    rng = np.random.default_rng(seed)
    params = initial_weights(spec, rng)
    session = numpy_backend.open_session(spec, params, "cpu")

    def results(session: Any, x: Any, y: Any) -> list[Any]:
        arrays = [session.predict(x), session.hidden_states(x), session.hidden_gradients(x, y)]
        if not spec.bidirectional and not spec.decoder:
            arrays += session.advance(x, session.advance(x)[1])
        for blocks in session.gradient_terms(x, y).values():
            arrays += [array for terms in blocks for array in terms if array is not None]
        return [*arrays, *session.gradients(x, y)[1].values(), *session.params().values()]

    batches = [batch(spec, rng, size, time) for size, time in ((2, 4), (3, 2), (1, 5))]
    earlier = [results(session, *pair) for pair in batches]
    session.step(*batches[1])
    for pair, arrays in zip(batches, earlier, strict=True):
        fresh = results(numpy_backend.open_session(spec, params, "cpu"), *pair)
        for a, b in zip(arrays, fresh, strict=True):
            np.testing.assert_array_equal(a, b)


@settings(max_examples=50, deadline=None)
@given(models, st.booleans(), st.integers(0, 2**32 - 1))
def test_gradient_terms_add_up_to_the_gradients(spec: ModelSpec, ragged: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, (x, y) = initial_weights(spec, rng), batch(spec, rng, 3, 5)
    lengths = rng.integers(1, 6, 3) if ragged else None
    session = numpy_backend.open_session(spec, params, "cpu")
    _, gradients = session.gradients(x, y, lengths)
    terms = session.gradient_terms(x, y, lengths)
    assert set(terms) == set(params)
    for name, blocks in terms.items():
        total = np.concatenate([added_up(*block) for block in blocks])
        if name.endswith(".w"):
            np.testing.assert_allclose(total[:, -1], gradients[name[:-1] + "b"], atol=1e-12)
            total = total[:, :-1]
        np.testing.assert_allclose(total, gradients[name], atol=1e-12)


def added_up(derivatives: Any, inputs: Any) -> Any:
    columns = derivatives.reshape(len(derivatives), -1)
    return columns.sum(axis=1) if inputs is None else columns @ inputs.T


def test_adam_equals_the_paper_computed_by_hand() -> None:
    weights = np.array([1.0])
    adam = Adam(Training(learning_rate=0.1, clip_norm=None), weights)
    adam.update(weights, np.array([2.0]))
    assert weights[0] == pytest.approx(1 - 0.1 * 2 / (2 + 1e-8), abs=1e-15)
    adam.update(weights, np.array([-1.0]))
    mean = (0.9 * 0.1 * 2 + 0.1 * -1) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 4 + 0.001 * 1) / (1 - 0.999**2)
    expected = 1 - 0.1 * 2 / (2 + 1e-8) - 0.1 * mean / (square**0.5 + 1e-8)
    assert weights[0] == pytest.approx(expected, abs=1e-14)


def test_adam_updates_every_block_alike() -> None:
    size = 2 * BLOCK + 3
    weights, gradient = np.ones(size, "float32"), np.full(size, 2.0, "float32")
    Adam(Training(clip_norm=1.0), weights).update(weights, gradient)
    assert (weights == weights[0]).all() and weights[0] < 1
    assert np.linalg.norm(gradient.astype(float)) == pytest.approx(1, rel=1e-6)


def test_clipping_scales_by_the_global_norm() -> None:
    long, short = np.array([3.0, 4.0]), np.array([0.3, 0.4])
    for grads in (long, short):
        clip(grads, 1.0)
    assert long == pytest.approx([3 / 5, 4 / 5])
    assert short.tolist() == [0.3, 0.4]


def test_missing_target_is_left_out_and_a_prediction_that_is_nan_is_not() -> None:
    prediction, y = np.zeros((1, 2, 1)), np.array([[[1.0], [np.nan]]])
    loss, derivative = mse(prediction, y)
    assert loss == 1
    assert derivative[0, :, 0].tolist() == [-2, 0]
    assert np.isnan(mse(np.full((1, 2, 1), np.nan), y)[0])


def test_cross_entropy_does_not_overflow_and_leaves_out_unlabelled_positions() -> None:
    logits = np.array([[[1000.0, 0.0], [0.0, 5.0], [0.0, 0.0]]])
    loss, derivative = cross_entropy(logits, np.array([[0, -1, 1]]))
    assert loss == pytest.approx(np.log(2) / 2)
    assert not derivative[0, 1].any()
