"""What the task files share: settings checked, symbols drawn and predictions of them judged."""

from typing import Any

import numpy as np

from bench.spec import Array, Training

UNLABELLED = -1


def check(task: Any, **least: int) -> None:
    """Raise `ValueError` unless each of these settings is a whole number of at least so much, and
    the settings of training make sense."""
    for name, minimum in {"batch": 1, "hidden": 1, "steps": 1, **least}.items():
        value = getattr(task, name)
        if type(value) is not int or value < minimum:
            raise ValueError(f"{name} must be a whole number of at least {minimum}, not {value!r}")
    Training(learning_rate=task.learning_rate, clip_norm=task.clip_norm)


def one_hot(symbols: Array, count: int) -> Array:
    """`(..., count)` float64; a symbol −1, which is beyond the end, is all zeros."""
    return np.concatenate((np.eye(count), np.zeros((1, count))))[symbols]


def log_probabilities(logits: Array) -> Array:
    """log softmax in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def surprise(logits: Array, y: Array) -> Array:
    """−log of the probability of the class at each labelled position, nats, `(positions,)`."""
    labelled = y != UNLABELLED
    return -log_probabilities(logits[labelled])[np.arange(labelled.sum()), y[labelled]]


def off_by(logits: Array, y: Array, tolerance: float) -> Array:
    """Of each labelled position: whether any output of the softmax is `tolerance` or more from its
    target, one or zero, or not a number. That of the class is further than any other."""
    return np.asarray(~(-np.expm1(-surprise(logits, y)) < tolerance))


def one_wrong(count: int) -> float:
    """A threshold that a share of `count` sequences is under only where not one is wrong."""
    return 0.5 / count
