"""The adding problem in its modern form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import rng, seeds

from tasks.adding import MARKS, Adding


@given(seeds, st.integers(2, 40), st.sampled_from(MARKS))
def test_two_numbers_are_marked_and_their_sum_is_the_target(
    seed: int, length: int, marks: str
) -> None:
    x, y = Adding(length=length, marks=marks, batch=20).sample(rng(seed))
    numbers, marked = x[..., 0], x[..., 1]
    assert set(np.unique(marked)) <= {0, 1} and (marked.sum(axis=1) == 2).all()
    if marks == "halves":
        assert (marked[:, : length // 2].sum(axis=1) == 1).all()
    assert (numbers >= 0).all() and (numbers < 1).all()
    np.testing.assert_allclose(y[:, 0], (numbers * marked).sum(axis=1))


@pytest.mark.parametrize("marks", MARKS)
def test_possible_steps_are_marked_equally_often(marks: str) -> None:
    x, _ = Adding(length=9, marks=marks, batch=20_000).sample(rng())
    expected = [1 / 4] * 4 + [1 / 5] * 5 if marks == "halves" else [2 / 9] * 9
    np.testing.assert_allclose(x[..., 1].mean(axis=0), expected, atol=0.015)


@pytest.mark.parametrize("marks", MARKS)
def test_one_is_the_best_constant_answer(marks: str) -> None:
    task = Adding(length=6, marks=marks, held_out=200_000)
    _, y = task.evaluation(rng())
    mse = {answer: task.scores(np.full_like(y, answer), y)["mse"] for answer in (0.95, 1, 1.05)}
    assert mse[1] == pytest.approx(task.chance, abs=0.002)
    assert min(mse, key=mse.__getitem__) == 1 and mse[1] > task.threshold
