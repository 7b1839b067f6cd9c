"""Sequences that an encoder reads and a decoder writes."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from conftest import bench_for
from hypothesis import given
from hypothesis import strategies as st
from task_samples import rng, seeds

from backends import numpy_backend
from bench.spec import Array, Training
from tasks._dates_in_words import DAYS, ISO, all_dates, date_in_words
from tasks.seq2seq import KINDS, Seq2Seq


def certain(task: Seq2Seq, y: Array) -> Array:
    """Logits that are certain of these symbols."""
    return 50.0 * np.eye(task.outputs)[y]


@pytest.mark.parametrize("kind", ["copy", "reverse"])
@given(seeds, st.integers(1, 12), st.integers(2, 12))
def test_target_is_the_input_or_its_reverse(
    kind: str, seed: int, length: int, symbols: int
) -> None:
    task = Seq2Seq(kind=kind, length=length, symbols=symbols, batch=20)
    x, y = task.sample(rng(seed))
    assert x.shape == (20, task.time, symbols) and y.shape == (20, task.decoder)
    read = x.argmax(axis=-1)
    assert (y == (read if kind == "copy" else read[:, ::-1])).all()


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(1984, 5, 23), "the twenty third of may nineteen eighty four"),
        (date(1900, 1, 1), "the first of january nineteen hundred"),
        (date(1904, 2, 29), "the twenty ninth of february nineteen oh four"),
        (date(1912, 8, 30), "the thirtieth of august nineteen twelve"),
        (date(2000, 12, 31), "the thirty first of december two thousand"),
        (date(2007, 6, 20), "the twentieth of june two thousand seven"),
        (date(2010, 10, 12), "the twelfth of october twenty ten"),
        (date(2099, 3, 21), "the twenty first of march twenty ninety nine"),
    ],
)
def test_date_is_written_in_words(day: date, text: str) -> None:
    assert " ".join(date_in_words(day)) == text


def test_days_have_different_words_and_are_for_training_or_held_out() -> None:
    dates = all_dates()
    assert len(np.unique(dates.words, axis=0)) == DAYS == len(dates.iso)
    assert sorted([*dates.training, *dates.held_out]) == list(range(DAYS))
    assert len(dates.held_out) == round(DAYS / 5)
    texts = ["".join(ISO[c] for c in dates.iso[k]) for k in (0, DAYS - 1)]
    assert texts == ["1900-01-01", "2099-12-31"]
    with pytest.raises(ValueError, match="read-only"):
        dates.words[0, 0] = 1


def test_held_out_days_are_never_trained_on() -> None:
    task = Seq2Seq(kind="dates", batch=3000, held_out=3000)
    training, held_out = (
        {tuple(day) for day in draw(rng())[1]} for draw in (task.sample, task.evaluation)
    )
    assert len(training) > 2500 and not training & held_out


@pytest.mark.parametrize("kind", ["copy", "reverse"])
def test_constant_output_is_wrong_as_often_as_chance_says(kind: str) -> None:
    task = Seq2Seq(kind=kind, length=2, symbols=3, held_out=20_000)
    _, y = task.evaluation(rng())
    wrong = task.scores(certain(task, np.ones_like(y)), y)["wrong"]
    assert wrong == pytest.approx(task.chance, abs=0.01)


def test_share_of_wrong_sequences_does_not_depend_on_teacher_forcing() -> None:
    """For a model trained until about half of the sequences are right."""
    task = Seq2Seq(length=3, symbols=3, batch=64, held_out=500)
    bench = bench_for("numpy", task="seq2seq", length=3, symbols=3, hidden=16, dtype="float64")
    model, fast = bench.case.model, Training(learning_rate=0.01)
    session: Any = numpy_backend.open_session(model, bench.weights(model), "cpu", fast)
    wrong, batches, (x, y) = 1.0, bench.rng("batches"), task.evaluation(bench.rng("evaluation"))
    while wrong > 0.5:
        session.step(*task.sample(batches))
        free = session.predict(x)
        wrong = task.scores(free, y)["wrong"]
    network = session.network
    _, forced = network.read_out(network.decode(network.encode(x).final_states, y))
    assert not np.allclose(forced, free)
    assert task.scores(forced, y)["wrong"] == wrong > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_one_wrong_symbol_makes_a_sequence_wrong(kind: str) -> None:
    task = Seq2Seq(kind=kind, held_out=40)
    _, y = task.evaluation(rng())
    assert task.scores(certain(task, y), y)["wrong"] == 0
    changed = y.copy()
    changed[:10, -1] = (y[:10, -1] + 1) % task.outputs
    scores = task.scores(certain(task, changed), y)
    assert scores["wrong"] == 0.25
    assert scores["wrong_symbols"] == pytest.approx(10 / y.size)
