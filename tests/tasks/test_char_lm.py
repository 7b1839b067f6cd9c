"""Prediction of the next character of a text, and its n-gram models."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from task_samples import rng

from tasks.char_lm import HELD_OUT_FROM, CharLM, alphabet, classes, ngram_bits, text


def test_bigram_model_has_the_bits_of_its_definition() -> None:
    """Counted with dictionaries, character by character."""
    characters, train, start, end = text(), 3000, 1_400_000, 1_400_400
    single = Counter(characters[:train])
    pairs: dict[str, Counter[str]] = {}
    for before, after in pairwise(characters[:train]):
        pairs.setdefault(before, Counter())[after] += 1
    total = 0.0
    for k in range(start, end):
        kinds = len(single)
        p = (single[characters[k]] + kinds / len(alphabet())) / (train + kinds)
        if followers := pairs.get(characters[k - 1]):
            count = followers[characters[k]] + len(followers) * p
            p = count / (followers.total() + len(followers))
        total -= np.log2(p)
    assert ngram_bits(2, train, start, end) == pytest.approx(total / (end - start), rel=1e-9)


def test_longer_contexts_need_fewer_bits() -> None:
    task = CharLM()
    bits = list(task.baselines.values())
    assert bits == sorted(bits, reverse=True)
    assert task.chance == bits[0] and task.threshold == bits[2]


def test_targets_are_the_next_characters_and_held_out_ones_count_once() -> None:
    task = CharLM(length=20, held_out=50, train=5000)
    x, y = task.sample(rng())
    read = x.argmax(axis=-1)
    np.testing.assert_array_equal(read[:, 1:], y[:, :-1])
    _, held_out = task.evaluation(rng())
    symbols = held_out[held_out >= 0]
    start = HELD_OUT_FROM + 11
    np.testing.assert_array_equal(symbols, classes()[start : start + 500])
    uniform = np.zeros((*held_out.shape, task.outputs))
    assert task.scores(uniform, held_out)["bits"] == pytest.approx(np.log2(task.outputs))


def test_training_windows_lie_in_the_training_part() -> None:
    task = CharLM(length=20, batch=8000, train=1000)
    possible = np.lib.stride_tricks.sliding_window_view(classes()[:1000], 21)
    x, y = task.sample(rng())
    windows = np.column_stack((x.argmax(axis=-1), y[:, -1]))
    drawn = {tuple(window) for window in windows}
    assert tuple(possible[-1]) in drawn <= {tuple(window) for window in possible}


@pytest.mark.parametrize("settings", [{"held_out": 10**6}, {"train": 1_450_000}, {"length": 1}])
def test_settings_beyond_the_text_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        CharLM(**settings)
