"""Temporal order: experiments 6a and 6b of 1997, and the form of Pascanu et al. 2013."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import last_steps, logits_with_probability, rng, seeds, symbols_of

from tasks.temporal_order import TemporalOrder

INTERVALS = {
    "6a": ((0.1, 0.2), (0.5, 0.6)),
    "6b": ((0.1, 0.2), (0.33, 0.43), (0.66, 0.76)),
    "pascanu": ((0.1, 0.2), (0.5, 0.6)),
}
"""The intervals that hold an X or a Y, as shares of the length, as published."""


@pytest.mark.parametrize("form", list(INTERVALS))
@given(seeds, st.integers(20, 120))
def test_class_is_the_order_of_the_symbols(form: str, seed: int, length: int) -> None:
    task = TemporalOrder(form=form, length=length, batch=30)
    x, y = task.sample(rng(seed))
    last, symbols = last_steps(y), symbols_of(x)
    framed = form != "pascanu"
    assert x.shape[2] == (8 if framed else 6)
    for codes, end, target in zip(symbols, last, y[np.arange(30), last], strict=True):
        text = "".join("abcdXYEB"[s] for s in codes[: end + 1])
        steps = [match.start() for match in re.finditer("[XY]", text)]
        assert len(steps) == len(INTERVALS[form])
        for step, (start, stop) in zip(steps, INTERVALS[form], strict=True):
            assert round(start * length) <= step < round(stop * length)
        assert int("".join("1" if text[s] == "Y" else "0" for s in steps), 2) == target
        assert (codes[end + 1 :] == -1).all()
        if framed:
            assert text[0] == "E" and text[-1] == "B" and length <= len(text) <= 1.1 * length
            assert re.fullmatch("E[abcdXY]*B", text)
        else:
            assert len(text) == length and re.fullmatch("[abcdXY]*", text)


@pytest.mark.parametrize("form", list(INTERVALS))
def test_marks_distractors_and_lengths_are_uniform(form: str) -> None:
    x, y = TemporalOrder(form=form, length=100, batch=40_000).sample(rng())
    last, symbols = last_steps(y), symbols_of(x)
    assert set(last) == ({99} if form == "pascanu" else {*range(99, 110)})
    np.testing.assert_allclose(np.bincount(last)[99:] / 40_000, 1 / len(set(last)), atol=0.01)
    marked = ((symbols == 4) | (symbols == 5)).mean(axis=0)
    for start, stop in INTERVALS[form]:
        interval = slice(round(100 * start), round(100 * stop))
        np.testing.assert_allclose(marked[interval], 1 / 10, atol=0.01)
    for step in (5, 15, 40, 80):
        counts = np.bincount(symbols[symbols[:, step] < 4, step]) / (symbols[:, step] < 4).sum()
        np.testing.assert_allclose(counts, 1 / 4, atol=0.015)
    equal = (symbols[:, 5] == symbols[:, 25]).mean()
    assert equal == pytest.approx(1 / 4, abs=0.01)


@pytest.mark.parametrize("form", list(INTERVALS))
def test_classes_are_uniform_and_judged_as_published(form: str) -> None:
    task = TemporalOrder(form=form, length=20, held_out=8000)
    _, y = task.evaluation(rng())
    classes = y[y >= 0]
    np.testing.assert_allclose(np.bincount(classes) / 8000, 1 / task.outputs, atol=0.02)
    always = np.zeros((*y.shape, task.outputs))
    always[..., 0] = 50
    assert task.scores(always, y)["wrong"] == pytest.approx(task.chance, abs=0.02)
    unsure = task.scores(logits_with_probability(y, task.outputs, 0.69), y)
    assert unsure == {"wrong": 0 if form == "pascanu" else 1, "error": 0}
    assert task.scores(logits_with_probability(y, task.outputs, 0.71), y)["wrong"] == 0
