"""Text from a model that is fed its own output, one step at a time."""

from math import inf
from typing import Any

import numpy as np

from bench.spec import Array, Session


def generate(
    session: Session,
    prompt: Any,
    steps: int,
    *,
    classes: int,
    rng: np.random.Generator | None = None,
    temperature: float = 1.0,
) -> Array:
    """What the model writes after a prompt: integers `(batch, steps)`.

    The model reads one-hot classes and its readout holds as many logits. `prompt` is integers
    `(batch, time)`. Each step takes the class of the largest logit, the first of equal ones; with
    a generator it draws a class with probability softmax(logits / temperature), by inverting the
    cumulative distribution at one uniform number for each sequence and step. All but the logits
    is computed here, in float64, so the same weights and generator give the same text in every
    backend, unless rounding moves a logit across a boundary: two largest that are equal, or a
    uniform number on the edge between two classes.
    """
    _check(steps, temperature)
    given = _one_hot(_classes(prompt, classes), classes)
    written = np.empty((len(given), steps), np.int64)
    state = None
    for step in range(steps):
        readout, state = session.advance(given, state)
        logits = _last(readout, len(given), classes)
        written[:, step] = logits.argmax(1) if rng is None else _draw(logits / temperature, rng)
        given = _one_hot(written[:, step : step + 1], classes)
    return written


def _check(steps: int, temperature: float) -> None:
    if steps < 0:
        raise ValueError(f"steps must not be negative, not {steps!r}")
    if not 0 < temperature < inf:
        raise ValueError(f"temperature must be a positive number, not {temperature!r}")


def _classes(prompt: Any, classes: int) -> Array:
    found = np.asarray(prompt)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"a prompt is (batch, time) with a class at least, not {found.shape}")
    if found.dtype.kind not in "iu":
        raise ValueError(f"a prompt holds whole numbers, not {found.dtype}")
    if found.min() < 0 or found.max() >= classes:
        raise ValueError(f"a prompt's classes lie from 0 to {classes - 1}")
    return found


def _one_hot(labels: Array, classes: int) -> Array:
    return np.asarray(labels[..., None] == np.arange(classes), np.float32)


def _last(readout: Any, batch: int, classes: int) -> Array:
    """The logits `(batch, classes)` after the last step, in float64."""
    every = np.asarray(readout, np.float64)
    logits = every[:, -1] if every.ndim == 3 else every
    if logits.shape != (batch, classes):
        raise ValueError(f"the model has {logits.shape[-1]} outputs for {classes} classes")
    if not np.isfinite(logits).all():
        raise ValueError("the model's outputs are not finite")
    return logits


def _draw(logits: Array, rng: np.random.Generator) -> Array:
    """The first class whose cumulative share exceeds a uniform number."""
    cumulative = np.exp(logits - logits.max(1, keepdims=True)).cumsum(1)
    point = rng.random((len(logits), 1)) * cumulative[:, -1:]
    return np.asarray((cumulative <= point).sum(1))
