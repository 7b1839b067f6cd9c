"""The NumPy reference against finite differences and against its own definitions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import numpy_backend
from backends._numpy_cells import one_by_one, outer
from bench.probes.training import norm
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
    written = spec.decoder or time
    positions = (size,) if spec.readout == "last" else (size, written)
    x = rng.standard_normal((size, time, spec.inputs))
    if spec.loss == "cross_entropy":
        y = rng.integers(-1, spec.outputs, positions)
        y.flat[0] = 0
        return x, y
    y = rng.standard_normal((*positions, spec.outputs))
    if spec.readout == "every" and written > 1:
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
    params, (x, y) = initial_weights(spec, rng), batch(spec, rng, 3, 5)
    if spec.readout == "every" and spec.loss == "cross_entropy" and not spec.decoder:
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
    session = numpy_backend.open_session(spec, initial_weights(spec, rng), "cpu")
    x, lengths = rng.standard_normal((3, 6, 2)), np.array([6, 4, 1])
    together = session.predict(x, lengths)
    for row, length in enumerate(lengths):
        alone = session.predict(x[row : row + 1, :length])
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-12)


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_a_given_initial_state_continues_a_sequence(cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=2, dtype="float64")
    rng = np.random.default_rng(0)
    session = numpy_backend.open_session(spec, initial_weights(spec, rng), "cpu")
    x = rng.standard_normal((2, 5, 2))
    state = session.hidden_states(x[:, :3])[:, -1][None]
    np.testing.assert_allclose(session.predict(x[:, 3:], None, state), session.predict(x))


@settings(max_examples=25, deadline=None)
@given(decoders, st.integers(0, 2**32 - 1))
def test_a_decoder_left_to_itself_writes_what_it_would_write_taught_its_own_output(
    spec: ModelSpec, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    params, (x, _) = initial_weights(spec, rng), batch(spec, rng, 3, 4)
    session = numpy_backend.open_session(spec, params, "cpu")
    written = session.predict(x, lengths := np.array([4, 1, 2]))
    assert written.shape == (3, spec.decoder, spec.outputs)
    own = written if spec.loss == "mse" else written.argmax(axis=2)
    expected, _ = numpy_backend.LOSSES[spec.loss](written, own)
    assert session.gradients(x, own, lengths)[0] == pytest.approx(expected, rel=1e-12, abs=1e-25)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("cross_entropy", np.array([[1, -1, 0]])),
        ("mse", np.array([[[0, 1], [np.nan, np.nan], [1, 0]]])),
    ],
)
def test_a_decoder_is_taught_the_begin_flag_then_the_targets_that_are_there(
    loss: str, y: Any
) -> None:
    spec = ModelSpec(
        cell="rnn", inputs=1, hidden=1, outputs=2, readout="every", loss=loss, dtype="float64",
        decoder=3,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    session = numpy_backend.open_session(spec, initial_weights(spec, rng), "cpu")
    fed = session._taught(y)[:, :-1, 0]
    assert fed.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(encoders, st.integers(0, 2**32 - 1))
def test_advancing_in_parts_is_predicting_at_once(spec: ModelSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, (x, _) = initial_weights(spec, rng), batch(spec, rng, 2, 6)
    session = numpy_backend.open_session(spec, params, "cpu")
    if spec.bidirectional:
        with pytest.raises(Unsupported):
            session.advance(x)
        return
    first, state = session.advance(x[:, :1])
    second, _ = session.advance(x[:, 1:], state)
    parts = second if spec.readout == "last" else np.concatenate([first, second], axis=1)
    np.testing.assert_allclose(parts, session.predict(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("decoder", [0, 1])
def test_total_hidden_gradients_are_the_slopes_of_a_nudged_state(decoder: int) -> None:
    """dL/dh_t by restarting the sequence from a nudged h_t."""
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
        nudge = np.zeros_like(state)
        nudge[0, 0, unit] = STEP
        up, down = (
            float(((session.predict(x[:, t + 1 :], None, state + s * nudge) - y) ** 2).mean())
            for s in (1, -1)
        )
        found = session.hidden_gradients(x, y)[0, t, unit]
        assert found == pytest.approx((up - down) / (2 * STEP), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(models, st.integers(0, 2**32 - 1))
def test_what_was_handed_out_stays_as_it_was_and_sizes_do_not_mix(
    spec: ModelSpec, seed: int
) -> None:
    """Arrays are used again from call to call, but not those that the caller holds."""
    rng = np.random.default_rng(seed)
    params = initial_weights(spec, rng)
    session = numpy_backend.open_session(spec, params, "cpu")

    def results(session: Any, x: Any, y: Any) -> list[Any]:
        found = [session.predict(x), session.hidden_states(x), session.hidden_gradients(x, y)]
        if not spec.bidirectional and not spec.decoder:
            found += session.advance(x, session.advance(x)[1])
        return [*found, *session.gradients(x, y)[1].values(), *session.params().values()]

    batches = [batch(spec, rng, size, time) for size, time in ((2, 4), (3, 2), (1, 5))]
    kept = [results(session, *own) for own in batches]
    session.step(*batches[1])
    for own, found in zip(batches, kept, strict=True):
        fresh = results(numpy_backend.open_session(spec, params, "cpu"), *own)
        for a, b in zip(found, fresh, strict=True):
            np.testing.assert_array_equal(a, b)


def test_adam_follows_the_paper_by_hand() -> None:
    weights = np.array([1.0])
    adam = numpy_backend.Adam(Training(learning_rate=0.1, clip_norm=None), weights)
    adam.update(weights, np.array([2.0]))
    assert weights[0] == pytest.approx(1 - 0.1 * 2 / (2 + 1e-8), abs=1e-15)
    adam.update(weights, np.array([-1.0]))
    mean = (0.9 * 0.1 * 2 + 0.1 * -1) / (1 - 0.9**2)
    square = (0.999 * 0.001 * 4 + 0.001 * 1) / (1 - 0.999**2)
    expected = 1 - 0.1 * 2 / (2 + 1e-8) - 0.1 * mean / (square**0.5 + 1e-8)
    assert weights[0] == pytest.approx(expected, abs=1e-14)


def test_adam_updates_every_block_alike() -> None:
    size = 2 * numpy_backend.BLOCK + 3
    weights, gradient = np.ones(size, "float32"), np.full(size, 2.0, "float32")
    numpy_backend.Adam(Training(clip_norm=1.0), weights).update(weights, gradient)
    assert (weights == weights[0]).all() and weights[0] < 1
    assert np.linalg.norm(gradient.astype(float)) == pytest.approx(1, rel=1e-6)


def test_clipping_scales_by_the_global_norm() -> None:
    long, short = np.array([3.0, 4.0]), np.array([0.3, 0.4])
    for grads in (long, short):
        numpy_backend.clip(grads, 1.0)
    assert long == pytest.approx([3 / 5, 4 / 5])
    assert short.tolist() == [0.3, 0.4]


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


def test_adding_one_after_another_loses_more_of_equal_terms_than_of_random_ones() -> None:
    count = 1 << 15
    random = np.random.default_rng(0).standard_normal((3, count))
    lost = {}
    for name, rows in (("random", random), ("equal", np.full((3, count), 0.0123))):
        exact = rows.sum(axis=1)
        found = one_by_one(rows.astype(np.float32))
        assert found.dtype == np.float32
        lost[name] = np.max(np.abs(found - exact)) / np.max(np.abs(exact))
        assert one_by_one(rows) == pytest.approx(exact, rel=1e-11)
        assert np.array_equal(one_by_one(rows.astype(np.float32)[:1]), found[:1])
    assert lost["random"] < 2**-23 * count**0.5 < lost["equal"] < 2**-24 * count


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_sums_in_order_are_the_same_sums(cell: str, loss: str) -> None:
    sizes: Any = {"inputs": 2, "hidden": 3, "outputs": 4, "dtype": "float64"}
    spec, rng = ModelSpec(cell=cell, readout="every", loss=loss, **sizes), np.random.default_rng(0)
    weights, x = initial_weights(spec, rng), rng.standard_normal((3, 5, 2))
    y = rng.integers(4, size=(3, 5)) if loss == "cross_entropy" else rng.standard_normal((3, 5, 4))
    plain, ordered = (
        numpy_backend.open_session(spec, weights, "cpu", in_order=way).gradients(x, y)
        for way in (False, True)
    )
    assert ordered[0] == pytest.approx(plain[0], rel=1e-14)
    for name, gradient in plain[1].items():
        assert ordered[1][name] == pytest.approx(gradient, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    ("cell", "more"),
    [
        ("rnn", {}),
        ("lstm", {"layers": 2}),
        ("lstm", {"bidirectional": True}),
        ("gru", {}),
        ("gru", {"gru": "reset_before"}),
        ("lstm", {"decoder": 900, "readout": "every"}),
        ("feedforward", {}),
    ],
)
def test_sums_in_order_change_the_gradients_of_weights_and_nothing_else(
    cell: str, more: dict[str, Any]
) -> None:
    """In float32, of sequences that stand still, of which some steps are not asked for."""
    sizes = {"inputs": 1, "hidden": 2, "outputs": 1, "readout": "every", **more}
    spec = ModelSpec(cell=cell, dtype="float32", **sizes)
    rng = np.random.default_rng(0)
    weights, x = initial_weights(spec, rng), np.full((4, 1000, 1), 0.3)
    y = np.full((4, spec.decoder or 1000, 1), 0.7)
    y[1, 500:] = np.nan
    plain, ordered = (
        numpy_backend.open_session(spec, weights, "cpu", in_order=way).gradients(x, y)
        for way in (False, True)
    )
    assert plain[0] == ordered[0]
    for name, gradient in plain[1].items():
        assert np.array_equal(gradient, ordered[1][name]) == (name == "x"), name
        assert ordered[1][name] == pytest.approx(gradient, rel=2e-3, abs=1e-3 * norm(gradient))


def test_small_terms_that_are_added_to_large_ones_lose_most() -> None:
    """Which is so backwards where terms grow: the other way they are added up among themselves."""
    terms = np.float32(0.9) ** np.arange(4000, dtype=np.float32)[::-1] + np.float32(1e-9)
    forwards, backwards = (np.add.accumulate(terms[::way])[-1] for way in (1, -1))
    exact = terms.sum(dtype=np.float64)
    assert abs(forwards - exact) < abs(backwards - exact) <= abs(one_by_one(terms[None])[0] - exact)


@pytest.mark.parametrize("shape", [(2, 40), (40, 2), (2, 3), (40, 17)])
def test_narrow_products_in_order_lose_most_and_wide_ones_what_their_steps_lose(
    shape: tuple[int, int],
) -> None:
    time, batch = 512, 16
    rng = np.random.default_rng(0)
    rows, columns = (rng.uniform(0.5, 1, size).astype(np.float32) for size in shape)
    d = np.broadcast_to(rows[:, None, None], (len(rows), time, batch))
    x = np.broadcast_to(columns[:, None], (len(columns), time * batch))
    exact = time * batch * np.outer(rows.astype(float), columns)
    lost = {}
    for in_order in (False, True):
        found = np.empty(shape, np.float32)
        outer(d, x, found, in_order)
        lost[in_order] = np.max(np.abs(found - exact)) / np.max(exact)
    assert lost[False] < lost[True]
    steps, terms = 2**-24 * time, 2**-24 * time * batch
    assert lost[True] < steps if min(shape) > 16 else steps < lost[True] < terms
