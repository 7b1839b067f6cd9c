"""Two classes of noisy sequences: experiments 3a, 3b and 3c of 1997."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import last_steps, rng, seeds

from tasks.two_sequence import TwoSequence


@pytest.mark.parametrize("form", ["3a", "3b", "3c"])
@given(seeds, st.integers(6, 60), st.integers(1, 5))
def test_first_elements_show_the_class(form: str, seed: int, length: int, signal: int) -> None:
    task = TwoSequence(form=form, length=length, signal=signal, batch=30)
    x, y = task.sample(rng(seed))
    last = last_steps(y)
    assert (last >= length - 1).all() and (last < length + length // 10).all()
    assert (x[np.arange(x.shape[1]) > last[:, None]] == 0).all()
    first, (held_out, clean) = x[:, :signal, 0], task.evaluation(rng(seed))
    if form != "3b":
        assert (np.abs(first) == 1).all() and (first == first[:, :1]).all()
        high, low = (1.0, 0.0) if form == "3a" else (0.2, 0.8)
        expected = np.where(held_out[:, 0, 0] == 1, high, low)
        answers = clean[np.arange(len(clean)), last_steps(clean), 0]
        np.testing.assert_array_equal(answers, expected)


@pytest.mark.parametrize("form", ["3a", "3b", "3c"])
def test_lengths_are_uniform_in_both_classes(form: str) -> None:
    x, y = TwoSequence(form=form, length=30, batch=40_000).sample(rng())
    last = last_steps(y)
    class_one = x[:, 0, 0] > 0
    for ends in (last[class_one], last[~class_one]):
        np.testing.assert_allclose(np.bincount(ends)[29:] / len(ends), 1 / 4, atol=0.015)
    assert class_one.mean() == pytest.approx(0.5, abs=0.01)


def test_noise_has_the_variances_of_the_paper() -> None:
    for form in ("3a", "3b", "3c"):
        task = TwoSequence(form=form, length=20, batch=50_000, held_out=50_000)
        x, y = task.sample(rng())
        answers = y[np.arange(50_000), last_steps(y), 0]
        assert x[:, 3:20].var() == pytest.approx(0.2, rel=0.02)
        class_one = answers > 0.5
        signal = x[:, :3, 0]
        assert abs(signal).mean() == pytest.approx(1, abs=0.02)
        if form == "3b":
            assert signal[class_one].var() == pytest.approx(0.2, rel=0.05)
            assert signal[class_one].mean() == pytest.approx(1, abs=0.01)
        if form == "3c":
            assert answers.var() == pytest.approx(0.3**2 + 0.1, rel=0.03)
            assert abs(signal).var() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("form", "threshold"), [("3a", 0.5 / 256), ("3b", 6 / 256)])
def test_sequence_is_right_within_the_tolerance(form: str, threshold: float) -> None:
    task = TwoSequence(form=form, length=10)
    _, y = task.evaluation(rng())
    assert task.threshold == threshold
    assert task.scores(y + 0.2 - 1e-6, y)["wrong"] == 0
    assert task.scores(y + 0.2 + 1e-6, y)["wrong"] == 1
    _, y = replace(task, held_out=20_000).evaluation(rng())
    constant = np.full_like(y, np.nanmax(y))
    assert task.scores(constant, y)["wrong"] == pytest.approx(task.chance, abs=0.015)


def test_3c_accepts_answers_near_the_expected_target() -> None:
    task = TwoSequence(form="3c", length=10)
    _, y = task.evaluation(rng())
    assert task.scores(y + 0.0149, y)["wrong"] == 0
    assert task.scores(y + 0.0151, y)["wrong"] == 1
    assert task.scores(np.full_like(y, 0.5), y)["wrong"] == task.chance == 1
    one_error = y.copy()
    one_error[0] += 0.1001
    assert task.threshold < task.scores(one_error, y)["wrong"] == 1 / 256
    assert task.scores(np.full_like(y, np.nan), y)["wrong"] == 1
