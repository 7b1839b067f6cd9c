"""Filling the blank with one of its neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from task_samples import rng, seeds

from tasks.fill_blank import FillBlank


@pytest.mark.parametrize(("needs", "distance"), [("future", 1), ("past", -1)])
@given(seeds, st.integers(3, 30), st.integers(2, 9))
def test_target_at_the_blank_is_its_neighbour(
    needs: str, distance: int, seed: int, length: int, symbols: int
) -> None:
    x, y = FillBlank(length=length, symbols=symbols, needs=needs, batch=40).sample(rng(seed))
    sequences, codes = np.arange(40), x.argmax(axis=-1)
    assert (x.sum(axis=-1) == 1).all()
    blank = (codes == symbols).argmax(axis=1)
    assert ((codes == symbols).sum(axis=1) == 1).all()
    assert (blank >= 1).all() and (blank <= length - 2).all()
    assert (y[sequences, blank] == codes[sequences, blank + distance]).all()
    assert ((y >= 0).sum(axis=1) == 1).all()


def test_only_the_neighbour_predicts_the_missing_symbol() -> None:
    """The symbol is independent of all others: a guess from any of them is at chance."""
    task = FillBlank(length=6, symbols=4, batch=60_000)
    x, y = task.sample(rng())
    sequences, codes = np.arange(len(x)), x.argmax(axis=-1)
    blank = (y >= 0).argmax(axis=1)
    target = y[sequences, blank]
    for distance in (-1, 2, -2):
        step = np.clip(blank + distance, 0, 5)
        inside = (step == blank + distance) & (step != blank + 1)
        wrong = np.mean(codes[sequences, step][inside] != target[inside])
        assert wrong == pytest.approx(task.chance, abs=0.02)
    assert np.mean(codes[sequences, blank + 1] != target) == 0
