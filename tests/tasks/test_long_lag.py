"""Long lags: experiments 2a, 2b and 2c of 1997."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import last_steps, logits_with_probability, rng, seeds, symbols_of

from bench.spec import Array
from tasks.long_lag import MOST_FURTHER, LongLag


def last_labelled(y: Array) -> Array:
    """The last step of each sequence that has a target, `(n,)`."""
    return np.asarray(y.shape[1] - 1 - (y[:, ::-1] >= 0).argmax(axis=1))


@given(seeds, st.integers(2, 30))
def test_2a_has_two_sequences_whose_targets_are_the_next_symbols(seed: int, p: int) -> None:
    task = LongLag(form="2a", symbols=p, batch=30)
    x, y = task.sample(rng(seed))
    symbols = symbols_of(x)
    assert x.shape == (30, p, p + 1)
    assert ((symbols[:, 0] == p - 1) | (symbols[:, 0] == p)).all()
    assert (symbols[:, 1:] == np.arange(p - 1)).all()
    assert (y[:, :-1] == symbols[:, 1:]).all() and (y[:, -1] == symbols[:, 0]).all()


@given(seeds, st.integers(3, 30))
def test_2b_has_random_symbols_in_the_middle(seed: int, p: int) -> None:
    x, y = LongLag(form="2b", symbols=p, batch=300).sample(rng(seed))
    symbols = symbols_of(x)
    assert ((symbols[:, 0] == p - 1) | (symbols[:, 0] == p)).all()
    assert (symbols[:, 1:] >= 0).all() and (symbols[:, 1:] < p - 1).all()
    assert len(np.unique(symbols[:, 1])) > 1
    assert (y[:, :-1] == symbols[:, 1:]).all() and (y[:, -1] == symbols[:, 0]).all()


@pytest.mark.parametrize(("form", "distractors"), [("2b", 5), ("2c", 6)])
def test_distractors_are_uniform_and_independent(form: str, distractors: int) -> None:
    x, _ = LongLag(form=form, symbols=6, lag=8, batch=60_000).sample(rng())
    symbols = symbols_of(x)
    first, middle = (0, symbols[:, 1:]) if form == "2b" else (1, symbols[:, 2:10])
    pairs = [(middle[:, k], middle[:, k + 1]) for k in range(middle.shape[1] - 1)]
    for before, after in pairs:
        edges = [[-0.5, distractors - 0.5]] * 2
        joint = np.histogram2d(before, after, bins=distractors, range=edges)[0]
        np.testing.assert_allclose(joint / len(x), 1 / distractors**2, atol=0.004)
    after_y = symbols[:, first] == symbols[:, first].max()
    for step in middle.T:
        share = np.bincount(step[after_y], minlength=distractors) / after_y.sum()
        np.testing.assert_allclose(share, 1 / distractors, atol=0.01)


@given(seeds, st.integers(2, 20), st.integers(1, 40))
def test_2c_frames_the_distractors_and_has_its_target_at_e(seed: int, p: int, q: int) -> None:
    x, y = LongLag(form="2c", symbols=p, lag=q, batch=40).sample(rng(seed))
    last, sequences = last_steps(y), np.arange(40)
    symbols = symbols_of(x)
    assert x.shape[2] == p + 4
    assert (symbols[:, 0] == p + 3).all() and (symbols[sequences, last] == p + 2).all()
    first = symbols[:, 1]
    assert np.isin(first, (p, p + 1)).all() and (y[sequences, last] == first).all()
    for sequence, end in zip(symbols, last, strict=True):
        assert q <= end - 2 <= q + MOST_FURTHER
        assert (sequence[2:end] >= 0).all() and (sequence[2:end] < p).all()
        assert (sequence[end + 1 :] == -1).all()


def test_further_distractors_follow_with_probability_nine_tenths() -> None:
    _, y = LongLag(symbols=4, lag=10, batch=50_000).sample(rng())
    further = last_steps(y) - 12
    assert np.mean(further == 0) == pytest.approx(0.1, abs=0.005)
    assert np.mean(further >= 10) == pytest.approx(0.9**10, abs=0.01)
    assert further.max() <= MOST_FURTHER


@pytest.mark.parametrize("form", ["2a-end", "2b-end"])
def test_end_forms_have_the_same_sequences_and_only_the_last_target(form: str) -> None:
    task, whole = (LongLag(form=f, symbols=6, batch=40) for f in (form, form[:2]))
    (x, y), (whole_x, whole_y) = task.sample(rng()), whole.sample(rng())
    assert (x == whole_x).all()
    assert (y[:, :-1] == -1).all() and (y[:, -1] == whole_y[:, -1]).all()


@pytest.mark.parametrize(
    ("form", "least"), [("2a", 0.75), ("2b", 0.75), ("2c", 0.8), ("2a-end", 0.75)]
)
def test_symbol_is_right_if_its_probability_is_high_enough(form: str, least: float) -> None:
    task = LongLag(form=form, symbols=5, lag=5, held_out=60)
    _, y = task.evaluation(rng())
    sure, unsure = (
        task.scores(logits_with_probability(y, task.outputs, p), y)
        for p in (least + 0.01, least - 0.01)
    )
    assert (sure["wrong"], unsure["wrong"], unsure["error"]) == (0, 1, 0)
    assert task.scores(np.full((*y.shape, task.outputs), np.nan), y)["wrong"] == 1
    always_x = logits_with_probability(y, task.outputs, 0.99)
    sequences, last = np.arange(len(y)), last_labelled(y)
    always_x[sequences, last] = 0
    always_x[sequences, last, task._remembered[0]] = 50
    scores = task.scores(always_x, y)
    share_of_y = np.mean(y[sequences, last] != task._remembered[0])
    assert scores["wrong"] == scores["error"] == pytest.approx(share_of_y)


@pytest.mark.parametrize("form", ["2a", "2b", "2c", "2a-end", "2b-end"])
def test_both_last_symbols_are_as_likely_as_chance_says(form: str) -> None:
    task = LongLag(form=form, symbols=5, lag=5, held_out=20_000)
    _, y = task.evaluation(rng())
    last = y[np.arange(len(y)), last_labelled(y)]
    assert set(last) == set(task._remembered)
    assert np.mean(last != task._remembered[0]) == pytest.approx(task.chance, abs=0.015)


@pytest.mark.parametrize(("form", "wrong"), [("2a", 1), ("2b", 0)])
def test_2a_is_judged_at_every_step_and_2b_at_the_last(form: str, wrong: float) -> None:
    task = LongLag(form=form, symbols=5, held_out=60)
    _, y = task.evaluation(rng())
    logits = logits_with_probability(y, task.outputs, 0.99)
    logits[:, 2] = 0
    assert task.scores(logits, y) == {"wrong": wrong, "error": 0}
