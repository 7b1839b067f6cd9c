"""The tasks on symbols are what they say: the blank, the encoder and decoder."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from conftest import bench_for
from hypothesis import given
from hypothesis import strategies as st

from backends import numpy_backend
from bench.spec import Array, Training
from tasks import seq2seq
from tasks.fill_blank import FillBlank
from tasks.seq2seq import DAYS, ISO, Seq2Seq, dates, in_words

seeds = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("needs", "where"), [("future", 1), ("past", -1)])
@given(seeds, st.integers(3, 30), st.integers(2, 9))
def test_the_blank_asks_for_its_neighbour(
    needs: str, where: int, seed: int, length: int, symbols: int
) -> None:
    x, y = FillBlank(length=length, symbols=symbols, needs=needs, batch=40).sample(rng(seed))
    rows, shown = np.arange(40), x.argmax(axis=-1)
    assert (x.sum(axis=-1) == 1).all()
    blank = (shown == symbols).argmax(axis=1)
    assert ((shown == symbols).sum(axis=1) == 1).all()
    assert (blank >= 1).all() and (blank <= length - 2).all()
    assert (y[rows, blank] == shown[rows, blank + where]).all()
    assert ((y >= 0).sum(axis=1) == 1).all()


def test_nothing_but_the_neighbour_tells_what_is_missing() -> None:
    """The symbol is independent of every other one: each guess from one of them is at chance."""
    task = FillBlank(length=6, symbols=4, batch=60_000)
    x, y = task.sample(rng())
    rows, shown = np.arange(len(x)), x.argmax(axis=-1)
    blank = (y >= 0).argmax(axis=1)
    wanted = y[rows, blank]
    for other in (-1, 2, -2):
        at = np.clip(blank + other, 0, 5)
        seen = (at == blank + other) & (at != blank + 1)
        wrong = np.mean(shown[rows, at][seen] != wanted[seen])
        assert wrong == pytest.approx(task.chance, abs=0.02)
    assert np.mean(shown[rows, blank + 1] != wanted) == 0


@pytest.mark.parametrize("kind", ["copy", "reverse"])
@given(seeds, st.integers(1, 12), st.integers(2, 12))
def test_what_is_to_be_written_is_what_was_read(
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
def test_a_date_in_words(day: date, text: str) -> None:
    assert " ".join(in_words(day)) == text


def test_every_day_has_words_of_its_own_and_is_trained_on_or_held_out() -> None:
    found = dates()
    assert len(np.unique(found.words, axis=0)) == DAYS == len(found.iso)
    assert sorted([*found.trained, *found.held_out]) == list(range(DAYS))
    assert len(found.held_out) == round(DAYS / 5)
    texts = ["".join(ISO[c] for c in found.iso[k]) for k in (0, DAYS - 1)]
    assert texts == ["1900-01-01", "2099-12-31"]
    with pytest.raises(ValueError, match="read-only"):
        found.words[0, 0] = 1


def test_days_that_are_held_out_are_never_trained_on() -> None:
    task = Seq2Seq(kind="dates", batch=3000, held_out=3000)
    seen, held = ({tuple(row) for row in draw(rng())[1]} for draw in (task.sample, task.evaluation))
    assert len(seen) > 2500 and not seen & held


def written(task: Seq2Seq, y: Array) -> Array:
    return 50.0 * np.eye(task.outputs)[y]


@pytest.mark.parametrize("kind", ["copy", "reverse"])
def test_always_writing_the_same_is_wrong_as_often_as_chance_says(kind: str) -> None:
    task = Seq2Seq(kind=kind, length=2, symbols=3, held_out=20_000)
    _, y = task.evaluation(rng())
    wrong = task.scores(written(task, np.ones_like(y)), y)["wrong"]
    assert wrong == pytest.approx(task.chance, abs=0.01)


def test_whole_sequences_are_right_with_the_right_beginning_or_without() -> None:
    """Trained until about half of them are."""
    task = Seq2Seq(length=3, symbols=3, batch=64, held_out=500)
    bench = bench_for("numpy", task="seq2seq", length=3, symbols=3, hidden=16, dtype="float64")
    model, fast = bench.case.model, Training(learning_rate=0.01)
    session: Any = numpy_backend.open_session(model, bench.weights(model), "cpu", fast)
    wrong, batches, (x, y) = 1.0, bench.rng("batches"), task.evaluation(bench.rng("evaluation"))
    while wrong > 0.5:
        session.step(*task.sample(batches))
        own = session.predict(x)
        wrong = task.scores(own, y)["wrong"]
    network = session.network
    decoded = network.decode(network.encode(x).final_states, y)
    taught = network.read_out(decoded)[1]
    assert not np.allclose(taught, own)
    assert task.scores(taught, y)["wrong"] == wrong > 0.2


@pytest.mark.parametrize("kind", seq2seq.KINDS)
def test_one_wrong_symbol_is_a_wrong_sequence(kind: str) -> None:
    task = Seq2Seq(kind=kind, held_out=40)
    _, y = task.evaluation(rng())
    assert task.scores(written(task, y), y)["wrong"] == 0
    other = y.copy()
    other[:10, -1] = (y[:10, -1] + 1) % task.outputs
    found = task.scores(written(task, other), y)
    assert found["wrong"] == 0.25
    assert found["wrong_symbols"] == pytest.approx(10 / y.size)


@pytest.mark.parametrize(
    ("task", "change", "words"),
    [
        (FillBlank(), {"needs": "luck"}, "needs must be one of future, past, not 'luck'"),
        (FillBlank(), {"length": 2}, "length must be a whole number of at least 3"),
        (Seq2Seq(), {"kind": "sort"}, "kind must be one of copy, reverse, dates, not 'sort'"),
        (Seq2Seq(), {"symbols": 1}, "symbols must be a whole number of at least 2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(task: Any, change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        replace(task, **change)
