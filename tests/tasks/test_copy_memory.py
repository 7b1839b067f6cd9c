"""The copy memory task."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import rng, seeds

from bench.spec import Array
from tasks.memory import Memory


def certain(y: Array) -> Array:
    """Logits that are certain of these classes."""
    return 50 * np.eye(9)[y]


def certain_blanks_and_guessed_symbols(y: Array) -> Array:
    """Logits that are certain of the blanks, and even between the symbols at the last ten steps."""
    logits = np.where(np.arange(9) == 0, 50.0, 0.0) + np.zeros((*y.shape, 9))
    logits[:, -10:, 0] = -50
    return logits


@given(seeds, st.integers(1, 30))
def test_ten_symbols_are_repeated_after_the_lag(seed: int, lag: int) -> None:
    x, y = Memory(lag=lag, batch=20).sample(rng(seed))
    assert (x.sum(axis=-1) == 1).all()
    symbols = x.argmax(axis=-1)
    assert x.shape[1] == lag + 20 and ((symbols[:, :10] >= 1) & (symbols[:, :10] <= 8)).all()
    assert (symbols[:, 10 : 10 + lag - 1] == 0).all()
    assert (symbols[:, 9 + lag] == 9).all() and (symbols[:, 10 + lag :] == 0).all()
    assert (y[:, :-10] == 0).all() and (y[:, -10:] == symbols[:, :10]).all()


@pytest.mark.parametrize(("lag", "chance"), [(20, 0.5199), (100, 0.1733), (1000, 0.02039)])
def test_model_without_memory_scores_the_published_chance(lag: int, chance: float) -> None:
    task = Memory(lag=lag, held_out=100)
    _, y = task.evaluation(rng())
    assert task.chance == pytest.approx(10 * log(8) / (lag + 20)) == pytest.approx(chance, rel=1e-3)
    score = task.scores(certain_blanks_and_guessed_symbols(y), y)["cross_entropy"]
    assert score == pytest.approx(task.chance) and score > task.threshold


def test_symbols_are_uniform_and_independent() -> None:
    _, y = Memory(lag=1, held_out=40_000).evaluation(rng())
    pairs = np.histogram2d(y[:, -10], y[:, -9], bins=8)[0] / len(y)
    np.testing.assert_allclose(pairs, 1 / 64, atol=0.004)


def test_recall_error_counts_only_the_last_ten_symbols() -> None:
    task = Memory(lag=500, held_out=20)
    _, y = task.evaluation(rng())
    always_blank = np.broadcast_to(np.eye(9)[0], (*y.shape, 9))
    assert task.scores(always_blank, y)["recall_error"] == 1
    half = certain(y)
    half[:, :-5] = 1 - half[:, :-5]
    assert task.scores(half, y)["recall_error"] == 0.5
    guesses = rng().integers(1, 9, size=(2000, 520))
    _, truth = replace(task, held_out=2000).evaluation(rng(1))
    assert task.scores(certain(guesses), truth)["recall_error"] == pytest.approx(7 / 8, abs=0.01)


def test_large_logits_keep_the_cross_entropy_finite() -> None:
    task = Memory(lag=1, held_out=3)
    _, y = task.evaluation(rng())
    logits = np.full((*y.shape, 9), 1e4, np.float32)
    assert task.scores(logits, y)["cross_entropy"] == pytest.approx(log(9))
