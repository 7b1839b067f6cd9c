"""Classify a sequence at its last step.

- `mnist1d`: digits as curves of 40 points, deformed and noisy, 4000 to train on and 1000 held out;
  human readers get 96% right (Greydanus & Kobak 2020, Scaling down deep learning with MNIST-1D,
  arXiv 2011.14439; the package mnist1d, Apache-2.0, which generates them).
- `digits`: 8 × 8 images of handwritten digits pixel by pixel, 64 steps; 1438 to train on and 359
  held out (Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, CC BY 4.0; the
  part of it that ships in scikit-learn, BSD).
- `vowels`: which of nine men says /ae/, by twelve cepstrum coefficients in 7 to 29 steps; 270 and
  370 utterances (Kudo, Toyama & Shimbo 1999, UCI Japanese Vowels, CC BY 4.0; files of sktime, BSD).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.spec import Array, check_choice
from tasks._labelled_data import (
    DATA_SETS,
    LabelledSequences,
    load_labelled,
    nearest_neighbour_error,
)
from tasks._packaged_data import missing
from tasks._settings import check_settings
from tasks._symbols import UNLABELLED, share_misclassified

REQUIRES: tuple[str, ...] = ("mnist1d", "scikit-learn", "sktime")


@dataclass(frozen=True, kw_only=True)
class Classification:
    """`data` is `mnist1d`, `digits` or `vowels`. The baseline is the nearest training sequence.

    Solved: `mnist1d` with more than 91% right, as the GRU of its paper; `digits` with more than
    90%; `vowels` with more than 94.1%, as Kudo, Toyama & Shimbo.
    """

    data: str = "mnist1d"
    batch: int = 100
    hidden: int = 64
    steps: int = 5000
    learning_rate: float = 2e-3
    clip_norm: float | None = 1.0

    readout = "every"
    loss = "cross_entropy"
    metric = "error"

    def __post_init__(self) -> None:
        check_choice("data", self.data, DATA_SETS)
        check_settings(self)

    def unavailable(self) -> str | None:
        """The reason why the data cannot be read, or None."""
        return missing(DATA_SETS[self.data].module, f"the data {self.data} ships")

    @property
    def inputs(self) -> int:
        return int(load_labelled(self.data)[0].x.shape[2])

    @property
    def outputs(self) -> int:
        return DATA_SETS[self.data].classes

    @property
    def time(self) -> int:
        return int(load_labelled(self.data)[0].x.shape[1])

    @property
    def chance(self) -> float:
        """The error of always answering the most common class of the held-out sequences."""
        y = load_labelled(self.data)[1].y
        return 1 - float(np.bincount(y).max()) / len(y)

    @property
    def threshold(self) -> float:
        return DATA_SETS[self.data].threshold

    @property
    def baselines(self) -> Mapping[str, float]:
        return {"nearest neighbour": nearest_neighbour_error(self.data)}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Training sequences drawn with replacement: x `(batch, time, channels)` and targets
        `(batch, time)`, the class at the last step of each sequence and −1 elsewhere."""
        training = load_labelled(self.data)[0]
        return _selected(training, rng.integers(len(training.y), size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for every held-out sequence once."""
        held_out = load_labelled(self.data)[1]
        return _selected(held_out, np.arange(len(held_out.y)))

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, time, classes)`: `error` is the share of sequences whose most likely
        class is wrong."""
        return {"error": share_misclassified(predictions, y)}


def _selected(sequences: LabelledSequences, indices: Array) -> tuple[Array, Array]:
    x = sequences.x[indices]
    y = np.full(x.shape[:2], UNLABELLED)
    y[np.arange(len(indices)), sequences.last[indices]] = sequences.y[indices]
    return x, y


PROFILES: Mapping[str, Classification] = {
    "smoke": Classification(data="digits", batch=16, hidden=8, steps=20, learning_rate=1e-2),
    "standard": Classification(),
    "paper": Classification(hidden=128, steps=12_000, learning_rate=1e-3),
    "mnist1d": Classification(),
    "digits": Classification(data="digits", batch=64, steps=6000),
    "vowels": Classification(data="vowels", batch=30, steps=1500),
}
