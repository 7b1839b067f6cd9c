"""Text from a model that reads its own output, one step at a time."""

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
    """The classes that the model writes after a prompt: integers `(batch, steps)`.

    The model reads one-hot classes, and its readout has one logit for each class. `prompt` is
    integers `(batch, time)`. Without a generator each step takes the class of the largest logit,
    the first of equal ones. With a generator it draws a class with probability
    softmax(logits / temperature), by inverting the cumulative distribution at one uniform number
    for each sequence and step.

    Everything but the logits is computed here in float64. So the same weights and generator give
    the same text in every backend, unless rounding moves a logit across a boundary: two equal
    largest logits, or a uniform number on the edge between two classes. Raises ValueError for a
    prompt, a number of steps or a temperature that is not accepted, and for logits that are not
    finite.
    """
    _check(steps, temperature)
    x = _one_hot(_checked_prompt(prompt, classes), classes)
    written = np.empty((len(x), steps), np.int64)
    state = None
    for step in range(steps):
        readout, state = session.advance(x, state)
        logits = _last_logits(readout, len(x), classes)
        written[:, step] = logits.argmax(1) if rng is None else _draw(logits / temperature, rng)
        x = _one_hot(written[:, step : step + 1], classes)
    return written


def _check(steps: int, temperature: float) -> None:
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, not {steps!r}")
    if not 0 < temperature < inf:
        raise ValueError(f"temperature must be a positive number, not {temperature!r}")


def _checked_prompt(prompt: Any, classes: int) -> Array:
    array = np.asarray(prompt)
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"a prompt must be (batch, time) with at least one class, not of shape {array.shape}"
        )
    if array.dtype.kind not in "iu":
        raise ValueError(f"a prompt must hold whole numbers, not {array.dtype}")
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(
            f"the classes of a prompt must be from 0 to {classes - 1}, not from {array.min()} to "
            f"{array.max()}"
        )
    return array


def _one_hot(labels: Array, classes: int) -> Array:
    return np.asarray(labels[..., None] == np.arange(classes), np.float32)


def _last_logits(readout: Any, batch: int, classes: int) -> Array:
    """The logits `(batch, classes)` after the last step, in float64."""
    array = np.asarray(readout, np.float64)
    logits = array[:, -1] if array.ndim == 3 else array
    if logits.shape != (batch, classes):
        raise ValueError(f"the model has {logits.shape[-1]} outputs for {classes} classes")
    if not np.isfinite(logits).all():
        raise ValueError("the model's outputs are not finite")
    return logits


def _draw(logits: Array, rng: np.random.Generator) -> Array:
    """The first class whose cumulative probability exceeds a uniform number."""
    cumulative = np.exp(logits - logits.max(1, keepdims=True)).cumsum(1)
    thresholds = rng.random((len(logits), 1)) * cumulative[:, -1:]
    return np.asarray((cumulative <= thresholds).sum(1))
