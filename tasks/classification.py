"""Tell the class of a sequence when it has ended.

- `mnist1d`: digits as curves of 40 points, deformed and noisy, 4000 and 1000 of them; human readers
  get 96% right (Greydanus & Kobak 2020, Scaling down deep learning with MNIST-1D,
  arXiv 2011.14439; the package mnist1d, Apache-2.0, which makes them anew).
- `digits`: 8 × 8 images of handwritten digits pixel by pixel, 64 steps; 1438 to train on and 359
  held out (Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, CC BY 4.0; the
  part of it that ships in scikit-learn, BSD).
- `vowels`: which of nine men says /ae/, by twelve cepstrum coefficients in 7 to 29 steps; 270 and
  370 utterances (Kudo, Toyama & Shimbo 1999, UCI Japanese Vowels, CC BY 4.0; files of sktime, BSD).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.spec import Array
from tasks._common import UNLABELLED, check
from tasks._data import checked, file_of, missing

REQUIRES: tuple[str, ...] = ("mnist1d", "scikit-learn", "sktime")
SEED = 1998
CHUNK = 50


@dataclass(frozen=True)
class Labelled:
    """Sequences `(n, time, channels)`, zero beyond the end; the step of the end of each `(n,)`;
    and classes `(n,)`. Channels are standardised by what is trained on."""

    x: Array
    end: Array
    y: Array


def read_mnist1d() -> tuple[Array, Array, Array, Array]:
    """x and y to train on, x and y held out, to four decimals: the last bits of the curves depend
    on the version of SciPy."""
    from mnist1d.data import make_dataset  # type: ignore[import-untyped]

    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        made = make_dataset()
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    x, held_out = (np.round(made[part], 4)[..., None] for part in ("x", "x_test"))
    return x, made["y"], held_out, made["y_test"]


def read_digits() -> tuple[Array, Array, Array, Array]:
    """Pixels from 0 to 1, row after row."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(x))
    x, y = x[order].reshape(len(x), -1, 1) / 16, y[order]
    kept = len(x) // 5
    return x[kept:], y[kept:], x[:kept], y[:kept]


def read_vowels() -> tuple[Array, Array, Array, Array]:
    """NaN beyond the end of each utterance."""
    parts = [_utterances(name) for name in ("TRAIN", "TEST")]
    longest = max(len(x) for xs, _ in parts for x in xs)
    found: list[Array] = []
    for xs, ys in parts:
        padded = np.full((len(xs), longest, xs[0].shape[1]), np.nan)
        for row, x in zip(padded, xs, strict=True):
            row[: len(x)] = x
        found += [padded, np.array(ys)]
    return found[0], found[1], found[2], found[3]


def _utterances(part: str) -> tuple[list[Array], list[int]]:
    """Utterances `(time, 12)` and their speakers from 0 on."""
    file = file_of("sktime", "datasets", "data", "JapaneseVowels", f"JapaneseVowels_{part}.ts")
    rows = file.read_text().split("@data\n")[1].split()
    split = [row.rsplit(":", 1) for row in rows]
    xs = [np.array([c.split(",") for c in row.split(":")], np.float64).T for row, _ in split]
    return xs, [int(speaker) - 1 for _, speaker in split]


@dataclass(frozen=True, kw_only=True)
class Set:
    """Where a set of sequences comes from; `digest` is the sha256 of its numbers."""

    module: str
    read: Callable[[], tuple[Array, Array, Array, Array]]
    digest: str
    classes: int
    threshold: float


SETS: Mapping[str, Set] = {
    "mnist1d": Set(
        module="mnist1d",
        read=read_mnist1d,
        digest="aeac863a281d915245ad5e748e1154f2a884ec85d0e3c9d930e0d627c5b0fd8c",
        classes=10,
        threshold=0.09,
    ),
    "digits": Set(
        module="sklearn",
        read=read_digits,
        digest="16a5e99e485492bc9477c40a1acd0a72a5516a3f8a93eff09928c12be4b8c65f",
        classes=10,
        threshold=0.1,
    ),
    "vowels": Set(
        module="sktime",
        read=read_vowels,
        digest="286980a3dfcd4e5525ff287ccdc1155f6735c1a8f7943fa10e00c843a12efdcb",
        classes=9,
        threshold=0.059,
    ),
}
"""Solved: of mnist1d with the 91% of the GRU in its paper, of the digits with nine tenths, of the
vowels with the 94.1% of Kudo, Toyama & Shimbo."""


@cache
def labelled(name: str) -> tuple[Labelled, Labelled]:
    """What is trained on and what is held out, checked and read-only."""
    x, y, held_out, classes = SETS[name].read()
    checked(name, SETS[name].digest, x, y, held_out, classes)
    mean, spread = np.nanmean(x, axis=(0, 1)), np.nanstd(x, axis=(0, 1))
    found = []
    for xs, ys in ((x, y), (held_out, classes)):
        inside = ~np.isnan(xs[:, :, 0])
        part = Labelled(np.nan_to_num((xs - mean) / spread), inside.sum(axis=1) - 1, ys)
        for array in (part.x, part.end, part.y):
            array.setflags(write=False)
        found.append(part)
    return found[0], found[1]


@cache
def nearest_neighbour(name: str) -> float:
    """The share of held-out sequences whose nearest of the others, by Euclidean distance, is of
    another class."""
    trained, held_out = labelled(name)
    known, asked = (part.x.reshape(len(part.x), -1) for part in (trained, held_out))
    wrong = 0
    for start in range(0, len(asked), CHUNK):
        part = slice(start, start + CHUNK)
        nearest = ((known**2).sum(1) - 2 * asked[part] @ known.T).argmin(axis=1)
        wrong += int((trained.y[nearest] != held_out.y[part]).sum())
    return wrong / len(asked)


@dataclass(frozen=True, kw_only=True)
class Classification:
    """`data` is one of the sets; the class is asked for at the last step of each sequence."""

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
        if self.data not in SETS:
            raise ValueError(f"data must be one of {', '.join(SETS)}, not {self.data!r}")
        check(self)

    def unavailable(self) -> str | None:
        """Why the data cannot be read here."""
        return missing(SETS[self.data].module, f"the data {self.data} ships")

    @property
    def inputs(self) -> int:
        return int(labelled(self.data)[0].x.shape[2])

    @property
    def outputs(self) -> int:
        return SETS[self.data].classes

    @property
    def time(self) -> int:
        return int(labelled(self.data)[0].x.shape[1])

    @property
    def chance(self) -> float:
        """Always answering the class that is most common among those held out."""
        y = labelled(self.data)[1].y
        return 1 - float(np.bincount(y).max()) / len(y)

    @property
    def threshold(self) -> float:
        return SETS[self.data].threshold

    @property
    def baselines(self) -> Mapping[str, float]:
        return {"nearest neighbour": nearest_neighbour(self.data)}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, channels)` and the class at the last step of each `(batch, time)`, −1
        elsewhere; sequences are drawn with replacement."""
        part = labelled(self.data)[0]
        return _asked(part, rng.integers(len(part.y), size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same of all that are held out."""
        part = labelled(self.data)[1]
        return _asked(part, np.arange(len(part.y)))

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`error`, the share whose likeliest class is wrong, of logits `(n, time, classes)`."""
        asked = y != UNLABELLED
        return {"error": float(np.mean(predictions[asked].argmax(axis=-1) != y[asked]))}


def _asked(part: Labelled, chosen: Array) -> tuple[Array, Array]:
    x = part.x[chosen]
    y = np.full(x.shape[:2], UNLABELLED)
    y[np.arange(len(chosen)), part.end[chosen]] = part.y[chosen]
    return x, y


PROFILES: Mapping[str, Classification] = {
    "smoke": Classification(data="digits", batch=16, hidden=8, steps=20, learning_rate=1e-2),
    "standard": Classification(),
    "paper": Classification(hidden=128, steps=12_000, learning_rate=1e-3),
    "mnist1d": Classification(),
    "digits": Classification(data="digits", batch=64, steps=6000),
    "vowels": Classification(data="vowels", batch=30, steps=1500),
}
