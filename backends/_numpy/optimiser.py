"""The optimisers of `Training`, over all weights in one vector."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.spec import Array, Training

BLOCK = 1 << 14
"""Elements updated at once, so that what an update reads and writes stays in the cache."""


class Adam:
    """Kingma & Ba 2015, algorithm 1, after clipping by the global norm (see `Training`)."""

    def __init__(self, training: Training, weights: Array) -> None:
        self.training, self.count = training, 0
        self.mean, self.square = np.zeros_like(weights), np.zeros_like(weights)
        self.scratch = np.empty(min(BLOCK, weights.size), weights.dtype)

    def update(self, weights: Array, gradient: Array) -> None:
        """Update the weights in place; the gradient is clipped in place too."""
        s = self.training
        self.count += 1
        rate = s.learning_rate / (1 - s.beta1**self.count)
        root = 1 / (1 - s.beta2**self.count) ** 0.5
        clip(gradient, s.clip_norm)
        for block in _blocks(weights.size):
            self._update(block, weights, gradient, rate, root)

    def _update(
        self, block: slice, weights: Array, gradient: Array, rate: float, root: float
    ) -> None:
        s, g, m, v = self.training, gradient[block], self.mean[block], self.square[block]
        scratch = self.scratch[: len(g)]
        m *= s.beta1
        m += np.multiply(g, 1 - s.beta1, out=scratch)
        v *= s.beta2
        np.multiply(g, 1 - s.beta2, out=scratch)
        v += np.multiply(scratch, g, out=scratch)
        np.sqrt(v, out=scratch)
        scratch *= root
        scratch += s.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= rate
        weights[block] -= scratch


class GradientDescent:
    """The optimiser `sgd` of `Training`, after clipping by the global norm."""

    def __init__(self, training: Training, weights: Array) -> None:
        self.training = training

    def update(self, weights: Array, gradient: Array) -> None:
        """Update the weights in place; the gradient is clipped and scaled in place too."""
        clip(gradient, self.training.clip_norm)
        gradient *= self.training.learning_rate
        weights -= gradient


OPTIMISERS: Mapping[str, Any] = {"adam": Adam, "sgd": GradientDescent}


def clip(gradient: Array, limit: float | None) -> None:
    """Scale by min(1, limit / ‖g‖), in place. Squares are summed in float64, block by block."""
    if limit is None:
        return
    blocks = (gradient[block].astype(float) for block in _blocks(gradient.size))
    norm = sum(float(np.dot(g, g)) for g in blocks) ** 0.5
    if norm > limit:
        gradient *= limit / norm


def _blocks(size: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, size, BLOCK)]
