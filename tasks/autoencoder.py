"""Rebuild a sequence from the final state of an encoder, the last element first (Srivastava,
Mansimov & Salakhutdinov 2015, Unsupervised learning of video representations using LSTMs,
arXiv 1502.04681): the rows of handwritten digits, eight of eight pixels.

The digits are those of `classification:data=digits`. The baseline is the best that a linear map to
as many numbers as there are hidden units can do: principal components (Baldi & Hornik 1989). An
lstm hands over twice as many, its output and its cell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.spec import Array
from tasks._common import check
from tasks._data import missing
from tasks.classification import SETS, labelled

REQUIRES: tuple[str, ...] = ("scikit-learn",)
SIDE = 8


@cache
def images() -> tuple[Array, Array]:
    """Rows `(n, 8, 8)` to train on and held out; standardised over all pixels."""
    trained, held_out = (part.x.reshape(-1, SIDE, SIDE) for part in labelled("digits"))
    return trained, held_out


@cache
def components(count: int) -> float:
    """The mean squared error of held-out digits from so many principal components."""
    trained, held_out = (part.reshape(len(part), -1) for part in images())
    mean = trained.mean(axis=0)
    axes = np.linalg.svd(trained - mean, full_matrices=False)[2][:count]
    away = held_out - mean
    return float(np.mean((away - away @ axes.T @ axes) ** 2))


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """The encoder's final state starts the decoder, which is fed its own rows."""

    batch: int = 64
    hidden: int = 32
    steps: int = 6000
    learning_rate: float = 3e-3
    clip_norm: float | None = 1.0

    inputs = SIDE
    outputs = SIDE
    time = SIDE
    decoder = SIDE
    readout = "every"
    loss = "mse"
    metric = "mse"

    def __post_init__(self) -> None:
        check(self)

    def unavailable(self) -> str | None:
        """Why the digits cannot be read here."""
        return missing(SETS["digits"].module, "the digits ship")

    @property
    def chance(self) -> float:
        """Always drawing the mean of what is trained on."""
        return components(0)

    @property
    def threshold(self) -> float:
        """A quarter of that: three quarters of what makes a digit differ from the mean."""
        return self.chance / 4

    @property
    def baselines(self) -> Mapping[str, float]:
        return {"principal components": components(self.hidden)}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, 8, 8)` and the same rows from the last to the first."""
        trained = images()[0]
        return _mirrored(trained[rng.integers(len(trained), size=self.batch)])

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same of all that are held out."""
        return _mirrored(images()[1])

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`mse` of what it draws by itself, `(n, 8, 8)`, in units of the pixels' deviation."""
        return {"mse": float(np.mean((predictions - y) ** 2))}


def _mirrored(x: Array) -> tuple[Array, Array]:
    return x, x[:, ::-1].copy()


PROFILES: Mapping[str, Autoencoder] = {
    "smoke": Autoencoder(batch=16, hidden=8, steps=20),
    "standard": Autoencoder(),
    "paper": Autoencoder(steps=20_000, learning_rate=1e-3),
}
