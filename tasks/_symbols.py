"""Symbols and classes: one-hot inputs, and scores of the probabilities that a network predicts."""

import numpy as np

from bench.spec import Array

UNLABELLED = -1
"""The class at a step that has no target, and the symbol beyond the end of a sequence."""


def one_hot(symbols: Array, count: int) -> Array:
    """Symbols `(...)` as `(..., count)` float64; `UNLABELLED` becomes all zeros."""
    return np.asarray(np.concatenate((np.eye(count), np.zeros((1, count))))[symbols])


def log_probabilities(logits: Array) -> Array:
    """The logarithm of the softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def negative_log_likelihood(logits: Array, y: Array) -> Array:
    """−log of the probability of the true class at each labelled step, in nats, `(steps,)`."""
    labelled = y != UNLABELLED
    log_p = log_probabilities(logits[labelled])
    return np.asarray(-log_p[np.arange(labelled.sum()), y[labelled]])


def share_misclassified(logits: Array, y: Array) -> float:
    """The share of labelled steps whose most likely class is not the true one."""
    labelled = y != UNLABELLED
    return float(np.mean(logits[labelled].argmax(axis=-1) != y[labelled]))


def outside_tolerance(logits: Array, y: Array, tolerance: float) -> Array:
    """Whether a softmax output is not within `tolerance` of its target, `(labelled steps,)`.

    Targets are one for the true class and zero for the others. The output of the true class is
    the farthest from its target, so it decides. NaN counts as outside.
    """
    error = -np.expm1(-negative_log_likelihood(logits, y))
    return np.asarray(~(error < tolerance))


def no_error_threshold(count: int) -> float:
    """A threshold that the share of wrong sequences is below only if none of `count` is wrong."""
    return 0.5 / count
