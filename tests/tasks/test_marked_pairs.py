"""The adding problem in its first form, and the multiplication problem."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import last_steps, rng, seeds

from tasks.adding_1997 import Adding1997
from tasks.multiplication import Multiplication

lengths = st.integers(20, 130)


@pytest.mark.parametrize("family", [Adding1997, Multiplication])
@given(seeds, lengths)
def test_two_numbers_and_both_ends_are_marked(family: Any, seed: int, length: int) -> None:
    x, y = family(length=length, batch=30).sample(rng(seed))
    last, sequences = last_steps(y), np.arange(30)
    assert (last >= length - 1).all() and (last < length + length // 10).all()
    assert (x[np.arange(x.shape[1]) > last[:, None]] == 0).all()
    numbers, marks = x[..., 0], x[..., 1].copy()
    assert (marks[:, 0] == -1).all() and (marks[sequences, last] == -1).all()
    marks[:, 0] = marks[sequences, last] = 0
    assert set(np.unique(marks)) <= {0, 1}
    count = marks.sum(axis=1)
    assert set(count) <= {1, 2}
    assert (marks[:, : length // 2].sum(axis=1) == count).all()
    assert (marks[:, :10].sum(axis=1) + (count == 1) >= 1).all()
    marked = np.where(marks == 1, numbers, np.nan)
    sums, products = np.nansum(marked, axis=1), np.nanprod(marked, axis=1)
    expected = 0.5 + sums / 4 if family is Adding1997 else products
    np.testing.assert_allclose(y[sequences, last, 0], expected)


@pytest.mark.parametrize(("family", "low"), [(Adding1997, -1), (Multiplication, 0)])
def test_numbers_lengths_and_marks_are_uniform(family: Any, low: int) -> None:
    x, y = family(length=30, batch=40_000).sample(rng())
    last = last_steps(y)
    np.testing.assert_allclose(np.bincount(last)[29:] / 40_000, 1 / 4, atol=0.01)
    numbers = x[:, :20, 0].ravel()
    np.testing.assert_allclose(
        np.quantile(numbers, [0, 0.25, 0.5, 1]),
        [low, low + (1 - low) / 4, (low + 1) / 2, 1],
        atol=0.01,
    )
    marked = (x[..., 1] == 1).mean(axis=0)
    # The first mark falls on one of ten pairs, the second on one of the other 14 pairs of the first
    # half: either may fall on pairs 1–9, only the second on pairs 10–14.
    np.testing.assert_allclose(marked[1:10], 1 / 10 + 9 / 10 / 14, atol=0.01)
    np.testing.assert_allclose(marked[10:14], 1 / 14, atol=0.01)
    assert marked[14] == pytest.approx(10 / 10 * 1 / 14, abs=0.01)
    assert not marked[15:].any()


@pytest.mark.parametrize(("family", "constant"), [(Adding1997, 0.5), (Multiplication, 0.04)])
def test_best_constant_is_wrong_as_often_as_chance_says(family: Any, constant: float) -> None:
    task = family(length=40, held_out=60_000)
    _, y = task.evaluation(rng())
    wrong = {
        answer: task.scores(np.full_like(y, answer), y)["wrong"]
        for answer in (constant - 0.05, constant, constant + 0.05)
    }
    assert wrong[constant] == pytest.approx(task.chance, abs=0.005)
    assert min(wrong, key=wrong.__getitem__) == constant


def test_constant_scores_the_published_share_and_error() -> None:
    task = Adding1997(length=100, held_out=50_000)
    _, y = task.evaluation(rng())
    assert 1 - task.chance == pytest.approx(0.154, abs=0.002)
    assert task.scores(np.full_like(y, 0.5), y)["mse"] == pytest.approx(0.0396, abs=0.001)


def test_answer_within_the_tolerance_is_right_and_nan_is_wrong() -> None:
    task = Adding1997(length=20, held_out=50)
    _, y = task.evaluation(rng())
    assert task.scores(y + 0.0399, y)["wrong"] == 0
    assert task.scores(y - 0.0401, y)["wrong"] == 1
    assert task.scores(np.full_like(y, np.nan), y)["wrong"] == 1
