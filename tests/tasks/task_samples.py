"""What the tests of the tasks share: random generators, and readers of batches."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from bench.spec import Array
from tasks.reber import SYMBOLS, legal_successors

seeds = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_few(task: Any, count: int) -> Any:
    """The task with at most `count` sequences a batch and held out, where it has such settings."""
    settings = asdict(task)
    counts = {
        name: min(count, settings[name]) for name in ("batch", "held_out") if name in settings
    }
    return replace(task, **counts)


def last_steps(y: Array) -> Array:
    """The only step of each sequence that has a target, `(n,)`."""
    labelled = ~np.isnan(y[..., 0]) if y.ndim == 3 else y >= 0
    assert (labelled.sum(axis=1) == 1).all()
    return np.asarray(labelled.argmax(axis=1))


def symbols_of(x: Array) -> Array:
    """The symbols of one-hot inputs, −1 where all channels are zero."""
    assert set(np.unique(x.sum(axis=-1))) <= {0, 1}
    return np.where(x.any(axis=-1), x.argmax(axis=-1), -1)


def logits_with_probability(y: Array, classes: int, probability: float) -> Array:
    """Logits that give the true class this probability and split the rest among the others."""
    others = (1 - probability) / (classes - 1)
    return np.log(np.where(np.eye(classes)[y], probability, others))


def logits_of_legal_successors(y: Array) -> Array:
    """Logits of one for every symbol that the Reber grammar allows, of zero for the others."""
    logits = np.zeros((*y.shape, len(SYMBOLS)))
    for steps, classes in zip(logits, y, strict=True):
        string = "B" + "".join(SYMBOLS[k] for k in classes if k >= 0)
        steps[: len(string) - 1] = legal_successors(string)
    return logits
