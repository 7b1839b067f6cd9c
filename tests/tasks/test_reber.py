"""The embedded Reber grammar: experiment 1 of 1997."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from task_samples import logits_of_legal_successors, rng, seeds, symbols_of

from tasks.reber import LONGEST, SYMBOLS, Reber, distinct_strings, draw_string, legal_successors

EMBEDDED = re.compile(r"B([TP])B(?:TS*X|PT*V)(?:.*)E\1E")
INNER = re.compile(
    # From state 4 (after TS*X, or P from state 5): X leads back to state 3, S to the end.
    r"B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:PXT*V)*(?:V|PS))E"
)


@given(seeds)
def test_string_matches_the_grammar_as_a_regular_expression(seed: int) -> None:
    """The expressions are derived from the picture of the grammar, not from the automaton."""
    string = draw_string(rng(seed))
    assert len(string) <= LONGEST
    assert EMBEDDED.fullmatch(string) and INNER.fullmatch(string[2:-2])


def test_training_and_test_strings_have_equal_lengths_on_average() -> None:
    strings = distinct_strings(512)
    assert len(set(strings)) == 512
    training, test = (np.mean([*map(len, half)]) for half in (strings[:256], strings[256:]))
    assert training == pytest.approx(test, rel=0.05), "short strings are drawn first"


def test_guesses_are_wrong_in_every_string_as_chance_says() -> None:
    task = Reber(strings=60)
    _, y = task.evaluation(rng())
    logits = rng().normal(size=(*y.shape, task.outputs))
    assert task.scores(logits, y)["wrong"] == task.chance


def test_branches_are_taken_equally_often() -> None:
    generator = rng()
    strings = [draw_string(generator) for _ in range(20_000)]
    assert Counter(s[1] for s in strings)["T"] == pytest.approx(10_000, abs=300)
    assert Counter(s[3] for s in strings)["T"] == pytest.approx(10_000, abs=300)
    assert np.mean([s[4] == "S" for s in strings if s[3] == "T"]) == pytest.approx(0.5, abs=0.02)


def test_training_and_test_strings_are_disjoint() -> None:
    task = Reber(strings=256, batch=2000)
    x, y = task.sample(rng())
    drawn = {tuple(string) for string in symbols_of(x)}
    x_of_all, _ = task.evaluation(rng())
    strings = [tuple(string) for string in symbols_of(x_of_all)]
    assert drawn <= set(strings[:256]) and not drawn & set(strings[256:])
    inside = y[:, 1:] >= 0
    assert (y[:, :-1][inside] == symbols_of(x)[:, 1:][inside]).all()


def test_legal_successors_are_those_that_occur() -> None:
    """After each prefix of many strings, the legal symbols are those that follow it somewhere."""
    generator = rng()
    followers: dict[str, set[str]] = {}
    for _ in range(20_000):
        string = draw_string(generator)
        for k in range(1, min(len(string), 6)):
            followers.setdefault(string[:k], set()).add(string[k])
    for prefix, symbols in followers.items():
        legal = legal_successors(prefix + "?")[-1]
        assert {s for s, allowed in zip(SYMBOLS, legal, strict=True) if allowed} == symbols


def test_string_is_right_if_legal_symbols_are_the_most_active() -> None:
    task = Reber(strings=30)
    _, y = task.evaluation(rng())
    logits = logits_of_legal_successors(y)
    assert task.scores(logits, y) == {"wrong": 0, "wrong_symbols": 0}
    logits[3, 0] = 0  # after the first B all symbols are equally active
    assert task.scores(logits, y)["wrong"] == pytest.approx(1 / 60)
    forgets = logits.copy()
    for steps, classes in zip(forgets, y, strict=True):
        before_last = (classes >= 0).sum() - 2
        steps[before_last] = [s in "TP" for s in SYMBOLS]
    assert task.scores(forgets, y)["wrong"] == 1, "a model that forgets T or P is always wrong"
