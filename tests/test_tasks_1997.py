"""The tasks of Hochreiter & Schmidhuber 1997 are what the paper defines."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.spec import Array
from tasks import reber
from tasks.adding_1997 import Adding1997
from tasks.long_lag import AT_MOST, LongLag
from tasks.multiplication import Multiplication
from tasks.reber import Reber
from tasks.temporal_order import TemporalOrder
from tasks.two_sequence import TwoSequence

seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(20, 130)
MARKED = (Adding1997, Multiplication)
PLACES = {
    "6a": ((0.1, 0.2), (0.5, 0.6)),
    "6b": ((0.1, 0.2), (0.33, 0.43), (0.66, 0.76)),
    "pascanu": ((0.1, 0.2), (0.5, 0.6)),
}
"""Shares of the length between which a symbol is shown, as published."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ends(y: Array) -> Array:
    """The only step of each sequence that has a target."""
    asked = ~np.isnan(y[..., 0]) if y.ndim == 3 else y >= 0
    assert (asked.sum(axis=1) == 1).all()
    return np.asarray(asked.argmax(axis=1))


def likely(y: Array, classes: int, probability: float) -> Array:
    """Logits that give the class of each labelled position this probability, the others the rest
    in equal parts."""
    rest = (1 - probability) / (classes - 1)
    one_hot = np.eye(classes)[y]
    return np.log(np.where(one_hot, probability, rest))


# two marked numbers


@pytest.mark.parametrize("kind", MARKED)
@given(seeds, lengths)
def test_two_pairs_are_marked_and_the_first_and_the_last_have_their_own_mark(
    kind: Any, seed: int, length: int
) -> None:
    x, y = kind(length=length, batch=30).sample(rng(seed))
    last, rows = ends(y), np.arange(30)
    assert (last >= length - 1).all() and (last < length + length // 10).all()
    assert (x[np.arange(x.shape[1]) > last[:, None]] == 0).all()
    numbers, marks = x[..., 0], x[..., 1].copy()
    assert (marks[:, 0] == -1).all() and (marks[rows, last] == -1).all()
    marks[:, 0] = marks[rows, last] = 0
    assert set(np.unique(marks)) <= {0, 1}
    count = marks.sum(axis=1)
    assert set(count) <= {1, 2}
    assert (marks[:, : length // 2].sum(axis=1) == count).all()
    assert (marks[:, :10].sum(axis=1) + (count == 1) >= 1).all()
    kept = np.where(marks == 1, numbers, np.nan)
    wanted = 0.5 + np.nansum(kept, axis=1) / 4 if kind is Adding1997 else np.nanprod(kept, axis=1)
    np.testing.assert_allclose(y[rows, last, 0], wanted)


@pytest.mark.parametrize(("kind", "low"), [(Adding1997, -1), (Multiplication, 0)])
def test_numbers_are_uniform_and_every_length_and_mark_is_equally_likely(
    kind: Any, low: int
) -> None:
    x, y = kind(length=30, batch=40_000).sample(rng())
    last = ends(y)
    np.testing.assert_allclose(np.bincount(last)[29:] / 40_000, 1 / 4, atol=0.01)
    numbers = x[:, :20, 0].ravel()
    np.testing.assert_allclose(
        np.quantile(numbers, [0, 0.25, 0.5, 1]),
        [low, low + (1 - low) / 4, (low + 1) / 2, 1],
        atol=0.01,
    )
    marked = (x[..., 1] == 1).mean(axis=0)
    # The first mark is on one of ten pairs, the second on one of the 14 of the first half's that
    # are left: pairs 1–9 by either, 10–14 by the second alone.
    np.testing.assert_allclose(marked[1:10], 1 / 10 + 9 / 10 / 14, atol=0.01)
    np.testing.assert_allclose(marked[10:14], 1 / 14, atol=0.01)
    assert marked[14] == pytest.approx(10 / 10 * 1 / 14, abs=0.01)
    assert not marked[15:].any()


@pytest.mark.parametrize(("kind", "constant"), [(Adding1997, 0.5), (Multiplication, 0.04)])
def test_the_best_constant_is_right_as_often_as_chance_says(kind: Any, constant: float) -> None:
    task = kind(length=40, held_out=200_000)
    _, y = task.evaluation(rng())
    wrong = {
        answer: task.scores(np.full_like(y, answer), y)["wrong"]
        for answer in (constant - 0.05, constant, constant + 0.05)
    }
    assert wrong[constant] == pytest.approx(task.chance, abs=0.005)
    assert min(wrong, key=wrong.__getitem__) == constant


def test_the_published_share_right_by_chance_and_error_of_a_constant() -> None:
    task = Adding1997(length=100, held_out=200_000)
    _, y = task.evaluation(rng())
    assert 1 - task.chance == pytest.approx(0.154, abs=0.002)
    assert task.scores(np.full_like(y, 0.5), y)["mse"] == pytest.approx(0.0396, abs=0.001)


def test_an_answer_just_within_the_tolerance_is_right_and_a_nan_is_wrong() -> None:
    task = Adding1997(length=20, held_out=50)
    _, y = task.evaluation(rng())
    assert task.scores(y + 0.0399, y)["wrong"] == 0
    assert task.scores(y - 0.0401, y)["wrong"] == 1
    assert task.scores(np.full_like(y, np.nan), y)["wrong"] == 1


# long lags


def shown(x: Array) -> Array:
    """The symbols of one-hot inputs, −1 where there is none."""
    assert set(np.unique(x.sum(axis=-1))) <= {0, 1}
    return np.where(x.any(axis=-1), x.argmax(axis=-1), -1)


@given(seeds, st.integers(2, 30))
def test_2a_has_two_sequences_and_asks_for_the_next_symbol(seed: int, p: int) -> None:
    task = LongLag(form="2a", symbols=p, batch=30)
    x, y = task.sample(rng(seed))
    symbols = shown(x)
    assert x.shape == (30, p, p + 1)
    assert ((symbols[:, 0] == p - 1) | (symbols[:, 0] == p)).all()
    assert (symbols[:, 1:] == np.arange(p - 1)).all()
    assert (y[:, :-1] == symbols[:, 1:]).all() and (y[:, -1] == symbols[:, 0]).all()


@given(seeds, st.integers(3, 30))
def test_2b_has_random_symbols_between(seed: int, p: int) -> None:
    x, y = LongLag(form="2b", symbols=p, batch=300).sample(rng(seed))
    symbols = shown(x)
    assert ((symbols[:, 0] == p - 1) | (symbols[:, 0] == p)).all()
    assert (symbols[:, 1:] >= 0).all() and (symbols[:, 1:] < p - 1).all()
    assert len(np.unique(symbols[:, 1])) > 1
    assert (y[:, :-1] == symbols[:, 1:]).all() and (y[:, -1] == symbols[:, 0]).all()


@pytest.mark.parametrize(("form", "kinds"), [("2b", 5), ("2c", 6)])
def test_distractors_are_even_and_tell_nothing_of_each_other(form: str, kinds: int) -> None:
    x, _ = LongLag(form=form, symbols=6, lag=8, batch=60_000).sample(rng())
    symbols = shown(x)
    first, middle = (0, symbols[:, 1:]) if form == "2b" else (1, symbols[:, 2:10])
    pairs = [(middle[:, k], middle[:, k + 1]) for k in range(middle.shape[1] - 1)]
    for before, after in pairs:
        joint = np.histogram2d(before, after, bins=kinds, range=[[-0.5, kinds - 0.5]] * 2)[0]
        np.testing.assert_allclose(joint / len(x), 1 / kinds**2, atol=0.004)
    kept = symbols[:, first] == symbols[:, first].max()
    for place in middle.T:
        share = np.bincount(place[kept], minlength=kinds) / kept.sum()
        np.testing.assert_allclose(share, 1 / kinds, atol=0.01)


@given(seeds, st.integers(2, 20), st.integers(1, 40))
def test_2c_frames_the_distractors_and_asks_at_the_end_alone(seed: int, p: int, q: int) -> None:
    x, y = LongLag(form="2c", symbols=p, lag=q, batch=40).sample(rng(seed))
    last, rows = ends(y), np.arange(40)
    symbols = shown(x)
    assert x.shape[2] == p + 4
    assert (symbols[:, 0] == p + 3).all() and (symbols[rows, last] == p + 2).all()
    first = symbols[:, 1]
    assert np.isin(first, (p, p + 1)).all() and (y[rows, last] == first).all()
    for row, end in zip(symbols, last, strict=True):
        assert q <= end - 2 <= q + AT_MOST
        assert (row[2:end] >= 0).all() and (row[2:end] < p).all() and (row[end + 1 :] == -1).all()


def test_further_distractors_follow_with_probability_nine_tenths() -> None:
    _, y = LongLag(symbols=4, lag=10, batch=50_000).sample(rng())
    further = ends(y) - 12
    assert np.mean(further == 0) == pytest.approx(0.1, abs=0.005)
    assert np.mean(further >= 10) == pytest.approx(0.9**10, abs=0.01)
    assert further.max() <= AT_MOST


@pytest.mark.parametrize("form", ["2a-end", "2b-end"])
def test_the_same_sequences_are_asked_for_their_last_symbol_alone(form: str) -> None:
    task, whole = (LongLag(form=f, symbols=6, batch=40) for f in (form, form[:2]))
    (x, y), (same, every) = task.sample(rng()), whole.sample(rng())
    assert (x == same).all()
    assert (y[:, :-1] == -1).all() and (y[:, -1] == every[:, -1]).all()


@pytest.mark.parametrize(
    ("form", "least"), [("2a", 0.75), ("2b", 0.75), ("2c", 0.8), ("2a-end", 0.75)]
)
def test_a_symbol_is_right_where_its_probability_is_high_enough(form: str, least: float) -> None:
    task = LongLag(form=form, symbols=5, lag=5, held_out=60)
    _, y = task.evaluation(rng())
    sure, unsure = (
        task.scores(likely(y, task.outputs, p), y) for p in (least + 0.01, least - 0.01)
    )
    assert (sure["wrong"], unsure["wrong"], unsure["error"]) == (0, 1, 0)
    assert task.scores(np.full((*y.shape, task.outputs), np.nan), y)["wrong"] == 1
    always_x = likely(y, task.outputs, 0.99)
    rows, last = np.arange(len(y)), y.shape[1] - 1 - (y[:, ::-1] >= 0).argmax(axis=1)
    always_x[rows, last] = 0
    always_x[rows, last, task._remembered[0]] = 50
    found = task.scores(always_x, y)
    assert (
        found["wrong"]
        == found["error"]
        == pytest.approx(np.mean(y[rows, last] != task._remembered[0]))
    )


@pytest.mark.parametrize("form", ["2a", "2b", "2c", "2a-end", "2b-end"])
def test_both_endings_of_a_long_lag_are_as_likely_as_chance_says(form: str) -> None:
    task = LongLag(form=form, symbols=5, lag=5, held_out=20_000)
    _, y = task.evaluation(rng())
    last = y[np.arange(len(y)), y.shape[1] - 1 - (y[:, ::-1] >= 0).argmax(axis=1)]
    assert set(last) == set(task._remembered)
    assert np.mean(last != task._remembered[0]) == pytest.approx(task.chance, abs=0.015)


@pytest.mark.parametrize(("form", "wrong"), [("2a", 1), ("2b", 0)])
def test_2a_is_judged_at_every_symbol(form: str, wrong: float) -> None:
    task = LongLag(form=form, symbols=5, held_out=60)
    _, y = task.evaluation(rng())
    astray = likely(y, task.outputs, 0.99)
    astray[:, 2] = 0
    assert task.scores(astray, y) == {"wrong": wrong, "error": 0}


# two sequences


@pytest.mark.parametrize("form", ["3a", "3b", "3c"])
@given(seeds, st.integers(6, 60), st.integers(1, 5))
def test_the_class_shows_in_the_first_elements(
    form: str, seed: int, length: int, signal: int
) -> None:
    task = TwoSequence(form=form, length=length, signal=signal, batch=30)
    x, y = task.sample(rng(seed))
    last = ends(y)
    assert (last >= length - 1).all() and (last < length + length // 10).all()
    assert (x[np.arange(x.shape[1]) > last[:, None]] == 0).all()
    first, (held_out, clean) = x[:, :signal, 0], task.evaluation(rng(seed))
    if form != "3b":
        assert (np.abs(first) == 1).all() and (first == first[:, :1]).all()
        high, low = (1.0, 0.0) if form == "3a" else (0.2, 0.8)
        wanted = np.where(held_out[:, 0, 0] == 1, high, low)
        np.testing.assert_array_equal(clean[np.arange(len(clean)), ends(clean), 0], wanted)


@pytest.mark.parametrize("form", ["3a", "3b", "3c"])
def test_every_length_is_equally_likely_whatever_the_class(form: str) -> None:
    x, y = TwoSequence(form=form, length=30, batch=40_000).sample(rng())
    last = ends(y)
    one = x[:, 0, 0] > 0
    for part in (last[one], last[~one]):
        np.testing.assert_allclose(np.bincount(part)[29:] / len(part), 1 / 4, atol=0.015)
    assert one.mean() == pytest.approx(0.5, abs=0.01)


def test_the_noise_has_the_variances_of_the_paper() -> None:
    for form in ("3a", "3b", "3c"):
        task = TwoSequence(form=form, length=20, batch=50_000, held_out=50_000)
        x, y = task.sample(rng())
        answers = y[np.arange(50_000), ends(y), 0]
        assert x[:, 3:20].var() == pytest.approx(0.2, rel=0.02)
        one = answers > 0.5
        signal = x[:, :3, 0]
        assert abs(signal).mean() == pytest.approx(1, abs=0.02)
        if form == "3b":
            assert signal[one].var() == pytest.approx(0.2, rel=0.05)
            assert signal[one].mean() == pytest.approx(1, abs=0.01)
        if form == "3c":
            assert answers.var() == pytest.approx(0.3**2 + 0.1, rel=0.03)
            assert abs(signal).var() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("form", "threshold"), [("3a", 0.5 / 256), ("3b", 6 / 256)])
def test_a_sequence_is_right_within_its_tolerance(form: str, threshold: float) -> None:
    task = TwoSequence(form=form, length=10)
    _, y = task.evaluation(rng())
    assert task.threshold == threshold
    assert task.scores(y + 0.2 - 1e-6, y)["wrong"] == 0
    assert task.scores(y + 0.2 + 1e-6, y)["wrong"] == 1
    _, y = replace(task, held_out=20_000).evaluation(rng())
    constant = np.full_like(y, np.nanmax(y))
    assert task.scores(constant, y)["wrong"] == pytest.approx(task.chance, abs=0.015)


def test_of_3c_answers_are_acceptable_near_what_is_expected() -> None:
    task = TwoSequence(form="3c", length=10)
    _, y = task.evaluation(rng())
    assert task.scores(y + 0.0149, y)["wrong"] == 0
    assert task.scores(y + 0.0151, y)["wrong"] == 1
    assert task.scores(np.full_like(y, 0.5), y)["wrong"] == task.chance == 1
    one_astray = y.copy()
    one_astray[0] += 0.1001
    assert task.threshold < task.scores(one_astray, y)["wrong"] == 1 / 256
    assert task.scores(np.full_like(y, np.nan), y)["wrong"] == 1


# temporal order


@pytest.mark.parametrize("form", list(PLACES))
@given(seeds, st.integers(20, 120))
def test_the_class_is_the_order_of_the_two_or_three_symbols(
    form: str, seed: int, length: int
) -> None:
    task = TemporalOrder(form=form, length=length, batch=30)
    x, y = task.sample(rng(seed))
    last, symbols = ends(y), shown(x)
    framed = form != "pascanu"
    assert x.shape[2] == (8 if framed else 6)
    for row, end, wanted in zip(symbols, last, y[np.arange(30), last], strict=True):
        text = "".join("abcdXYEB"[s] for s in row[: end + 1])
        places = [match.start() for match in re.finditer("[XY]", text)]
        assert len(places) == len(PLACES[form])
        for place, (start, stop) in zip(places, PLACES[form], strict=True):
            assert round(start * length) <= place < round(stop * length)
        assert int("".join(("XY".index(text[p]) and "1") or "0" for p in places), 2) == wanted
        assert (row[end + 1 :] == -1).all()
        if framed:
            assert text[0] == "E" and text[-1] == "B" and length <= len(text) <= 1.1 * length
            assert re.fullmatch("E[abcdXY]*B", text)
        else:
            assert len(text) == length and re.fullmatch("[abcdXY]*", text)


@pytest.mark.parametrize("form", list(PLACES))
def test_marks_distractors_and_lengths_are_even(form: str) -> None:
    x, y = TemporalOrder(form=form, length=100, batch=40_000).sample(rng())
    last, symbols = ends(y), shown(x)
    assert set(last) == ({99} if form == "pascanu" else {*range(99, 110)})
    np.testing.assert_allclose(np.bincount(last)[99:] / 40_000, 1 / len(set(last)), atol=0.01)
    marked = ((symbols == 4) | (symbols == 5)).mean(axis=0)
    for start, stop in PLACES[form]:
        within = slice(round(100 * start), round(100 * stop))
        np.testing.assert_allclose(marked[within], 1 / 10, atol=0.01)
    for step in (5, 15, 40, 80):
        counts = np.bincount(symbols[symbols[:, step] < 4, step]) / (symbols[:, step] < 4).sum()
        np.testing.assert_allclose(counts, 1 / 4, atol=0.015)
    alike = (symbols[:, 5] == symbols[:, 25]).mean()
    assert alike == pytest.approx(1 / 4, abs=0.01)


@pytest.mark.parametrize("form", list(PLACES))
def test_all_classes_are_equally_likely_and_judged_as_published(form: str) -> None:
    task = TemporalOrder(form=form, length=20, held_out=8000)
    _, y = task.evaluation(rng())
    classes = y[y >= 0]
    np.testing.assert_allclose(np.bincount(classes) / 8000, 1 / task.outputs, atol=0.02)
    always = np.zeros((*y.shape, task.outputs))
    always[..., 0] = 50
    assert task.scores(always, y)["wrong"] == pytest.approx(task.chance, abs=0.02)
    unsure = task.scores(likely(y, task.outputs, 0.69), y)
    assert unsure == {"wrong": 0 if form == "pascanu" else 1, "error": 0}
    assert task.scores(likely(y, task.outputs, 0.71), y)["wrong"] == 0


# Reber


EMBEDDED = re.compile(r"B([TP])B(?:TS*X|PT*V)(?:.*)E\1E")
INNER = re.compile(
    # From state 4 (after TS*X, or P from state 5): X back to state 3, or S to the end.
    r"B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:PXT*V)*(?:V|PS))E"
)


@given(seeds)
def test_every_string_is_one_of_the_grammar_written_as_an_expression(seed: int) -> None:
    """The automaton against regular expressions derived from the picture of the grammar."""
    string = reber.drawn(rng(seed))
    assert len(string) <= reber.LONGEST
    assert EMBEDDED.fullmatch(string) and INNER.fullmatch(string[2:-2])


def test_training_and_test_strings_are_as_long() -> None:
    strings = reber.different(512)
    assert len(set(strings)) == 512
    trained, held_out = (np.mean([*map(len, part)]) for part in (strings[:256], strings[256:]))
    assert trained == pytest.approx(held_out, rel=0.05), "the short ones are found first"


def test_guessing_is_wrong_about_every_string_as_chance_says() -> None:
    task = Reber(strings=60)
    _, y = task.evaluation(rng())
    logits = rng().normal(size=(*y.shape, task.outputs))
    assert task.scores(logits, y)["wrong"] == task.chance


def test_every_branch_is_taken_half_the_time() -> None:
    generator = rng()
    strings = [reber.drawn(generator) for _ in range(20_000)]
    assert Counter(s[1] for s in strings)["T"] == pytest.approx(10_000, abs=300)
    assert Counter(s[3] for s in strings)["T"] == pytest.approx(10_000, abs=300)
    assert np.mean([s[4] == "S" for s in strings if s[3] == "T"]) == pytest.approx(0.5, abs=0.02)


def test_training_strings_and_test_strings_are_not_the_same() -> None:
    task = Reber(strings=256, batch=2000)
    x, y = task.sample(rng())
    seen = {tuple(row) for row in shown(x)}
    held, _ = task.evaluation(rng())
    rows = [tuple(row) for row in shown(held)]
    assert seen <= set(rows[:256]) and not seen & set(rows[256:])
    assert (y[:, :-1][y[:, 1:] >= 0] == shown(x)[:, 1:][y[:, 1:] >= 0]).all()


def test_what_may_follow_is_what_followed_somewhere() -> None:
    """The legal symbols after each prefix are those seen after it, over many strings."""
    generator = rng()
    after: dict[str, set[str]] = {}
    for _ in range(20_000):
        string = reber.drawn(generator)
        for k in range(1, min(len(string), 6)):
            after.setdefault(string[:k], set()).add(string[k])
    for prefix, seen in after.items():
        may = reber.legal(prefix + "?")[-1]
        assert {s for s, one in zip(reber.SYMBOLS, may, strict=True) if one} == seen


def what_may_come(y: Array) -> Array:
    """Logits of one for every symbol that may come next, of zero for the others."""
    logits = np.zeros((*y.shape, 7))
    for row, wanted in zip(logits, y, strict=True):
        string = "B" + "".join(reber.SYMBOLS[k] for k in wanted if k >= 0)
        row[: len(string) - 1] = reber.legal(string)
    return logits


def test_a_string_is_right_where_what_may_come_is_the_most_active() -> None:
    task = Reber(strings=30)
    _, y = task.evaluation(rng())
    logits = what_may_come(y)
    assert task.scores(logits, y) == {"wrong": 0, "wrong_symbols": 0}
    logits[3, 0] = 0  # after B alone all symbols are as active
    assert task.scores(logits, y)["wrong"] == pytest.approx(1 / 60)
    forgets = logits.copy()
    for row, wanted in zip(forgets, y, strict=True):
        before_last = (wanted >= 0).sum() - 2
        row[before_last] = [s in "TP" for s in reber.SYMBOLS]
    assert task.scores(forgets, y)["wrong"] == 1, "not to know T or P is to be wrong everywhere"


# bad settings


@pytest.mark.parametrize(
    ("task", "change", "words"),
    [
        (Adding1997(length=20), {"length": 19}, "length must be a whole number of at least 20"),
        (LongLag(), {"form": "2d"}, "form must be one of 2a, 2b, 2c, 2a-end, 2b-end"),
        (LongLag(), {"symbols": 1}, "symbols must be a whole number of at least 2"),
        (TwoSequence(), {"signal": 100}, "signal must be less than length"),
        (TemporalOrder(), {"form": "7"}, "form must be one of 6a, 6b, pascanu"),
        (TemporalOrder(), {"length": 9}, "length must be a whole number of at least 10"),
        (Reber(), {"strings": 501}, "strings must be at most 500"),
        (Reber(), {"batch": True}, "batch must be a whole number"),
        (TwoSequence(), {"learning_rate": -1.0}, "learning_rate must be a positive number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(task: Any, change: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        replace(task, **change)
