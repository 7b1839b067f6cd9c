"""Rebuild a handwritten digit from the final state of an encoder, the last row first (Srivastava,
Mansimov & Salakhutdinov 2015, Unsupervised learning of video representations using LSTMs,
arXiv 1502.04681).

The digits are those of `classification:data=digits`: eight rows of eight pixels. The baseline is
the best linear map to as many numbers as there are hidden units: principal components (Baldi &
Hornik 1989). An lstm passes twice as many numbers to the decoder: its output and its cell state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.spec import Array
from tasks._labelled_data import DATA_SETS, load_labelled
from tasks._packaged_data import missing
from tasks._settings import check_settings

REQUIRES: tuple[str, ...] = ("scikit-learn",)
SIDE = 8


@cache
def images() -> tuple[Array, Array]:
    """Training and held-out digits `(n, 8, 8)`, standardised over all pixels."""
    training, held_out = load_labelled("digits")
    return training.x.reshape(-1, SIDE, SIDE), held_out.x.reshape(-1, SIDE, SIDE)


@cache
def principal_components_error(count: int) -> float:
    """The mean squared error of held-out digits rebuilt from `count` principal components of the
    training digits; with none of them, from their mean."""
    training, held_out = (digits.reshape(len(digits), -1) for digits in images())
    mean = training.mean(axis=0)
    axes = np.linalg.svd(training - mean, full_matrices=False)[2][:count]
    deviations = held_out - mean
    return float(np.mean((deviations - deviations @ axes.T @ axes) ** 2))


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """The final state of the encoder starts the decoder, which reads the rows that it drew."""

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
        check_settings(self)

    def unavailable(self) -> str | None:
        """The reason why the digits cannot be read, or None."""
        return missing(DATA_SETS["digits"].module, "the digits ship")

    @property
    def chance(self) -> float:
        """The error of always drawing the mean of the training digits."""
        return principal_components_error(0)

    @property
    def threshold(self) -> float:
        """A quarter of chance: three quarters of the variance around the mean are explained."""
        return self.chance / 4

    @property
    def baselines(self) -> Mapping[str, float]:
        return {"principal components": principal_components_error(self.hidden)}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, 8, 8)` and the same rows from the last to the first."""
        training = images()[0]
        return _with_reversed_rows(training[rng.integers(len(training), size=self.batch)])

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for all held-out digits."""
        return _with_reversed_rows(images()[1])

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`mse` of digits `(n, 8, 8)` that the decoder drew by itself, in units of the pixels'
        variance."""
        return {"mse": float(np.mean((predictions - y) ** 2))}


def _with_reversed_rows(x: Array) -> tuple[Array, Array]:
    return x, x[:, ::-1].copy()


PROFILES: Mapping[str, Autoencoder] = {
    "smoke": Autoencoder(batch=16, hidden=8, steps=20),
    "standard": Autoencoder(),
    "paper": Autoencoder(steps=20_000, learning_rate=1e-3),
}
