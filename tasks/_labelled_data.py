"""Sequences with a class each, from data that ship in packages."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.spec import Array
from tasks._packaged_data import packaged_file, verify

SEED = 1998
CHUNK = 50

Split = tuple[Array, Array, Array, Array]
"""Training sequences `(n, time, channels)` and classes `(n,)`, then held-out ones. A sequence is
NaN beyond its end."""


def read_mnist1d() -> Split:
    """Curves rounded to four decimals: their last bits depend on the version of SciPy."""
    from mnist1d.data import make_dataset  # type: ignore[import-untyped]

    # make_dataset seeds the global generators; put their states back afterwards.
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        data = make_dataset()
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
    x, held_out = (np.round(data[key], 4)[..., None] for key in ("x", "x_test"))
    return x, data["y"], held_out, data["y_test"]


def read_digits() -> Split:
    """Pixels from 0 to 1, row after row."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(x))
    x, y = x[order].reshape(len(x), -1, 1) / 16, y[order]
    held_out = len(x) // 5
    return x[held_out:], y[held_out:], x[:held_out], y[:held_out]


def read_vowels() -> Split:
    """Cepstrum coefficients and speakers."""
    sets = [_utterances(name) for name in ("TRAIN", "TEST")]
    longest = max(len(x) for xs, _ in sets for x in xs)
    (x, y), (held_out, speakers) = ((_padded(xs, longest), np.array(ys)) for xs, ys in sets)
    return x, y, held_out, speakers


def _utterances(name: str) -> tuple[list[Array], list[int]]:
    """Utterances `(time, 12)` and their speakers, counted from 0."""
    file = packaged_file(
        "sktime", "datasets", "data", "JapaneseVowels", f"JapaneseVowels_{name}.ts"
    )
    lines = file.read_text().split("@data\n")[1].split()
    pairs = [line.rsplit(":", 1) for line in lines]
    xs = [np.array([c.split(",") for c in text.split(":")], np.float64).T for text, _ in pairs]
    return xs, [int(speaker) - 1 for _, speaker in pairs]


def _padded(sequences: list[Array], time: int) -> Array:
    """Sequences padded with NaN, `(n, time, channels)`."""
    padded = np.full((len(sequences), time, sequences[0].shape[1]), np.nan)
    for target, sequence in zip(padded, sequences, strict=True):
        target[: len(sequence)] = sequence
    return padded


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """How a data set is read: from the package `module`; `digest` is the sha256 of its arrays."""

    module: str
    read: Callable[[], Split]
    digest: str
    classes: int
    threshold: float


DATA_SETS: Mapping[str, DataSet] = {
    "mnist1d": DataSet(
        module="mnist1d",
        read=read_mnist1d,
        digest="aeac863a281d915245ad5e748e1154f2a884ec85d0e3c9d930e0d627c5b0fd8c",
        classes=10,
        threshold=0.09,
    ),
    "digits": DataSet(
        module="sklearn",
        read=read_digits,
        digest="16a5e99e485492bc9477c40a1acd0a72a5516a3f8a93eff09928c12be4b8c65f",
        classes=10,
        threshold=0.1,
    ),
    "vowels": DataSet(
        module="sktime",
        read=read_vowels,
        digest="286980a3dfcd4e5525ff287ccdc1155f6735c1a8f7943fa10e00c843a12efdcb",
        classes=9,
        threshold=0.059,
    ),
}
"""Thresholds: for mnist1d the 91% of the GRU in its paper, for digits nine tenths right, for vowels
the 94.1% of Kudo, Toyama & Shimbo."""


@dataclass(frozen=True)
class LabelledSequences:
    """Sequences `(n, time, channels)`, zero beyond the end; the last step `(n,)` and the class
    `(n,)` of each. Channels are standardised by the training sequences."""

    x: Array
    last: Array
    y: Array


@cache
def load_labelled(name: str) -> tuple[LabelledSequences, LabelledSequences]:
    """The training and the held-out sequences of a data set, read-only.

    Raises `Unavailable` if the data are not the expected ones.
    """
    x, y, held_out_x, held_out_y = DATA_SETS[name].read()
    verify(name, DATA_SETS[name].digest, x, y, held_out_x, held_out_y)
    mean, deviation = np.nanmean(x, axis=(0, 1)), np.nanstd(x, axis=(0, 1))

    def standardised(x: Array, y: Array) -> LabelledSequences:
        last = (~np.isnan(x[:, :, 0])).sum(axis=1) - 1
        sequences = LabelledSequences(np.nan_to_num((x - mean) / deviation), last, y)
        for array in (sequences.x, sequences.last, sequences.y):
            array.setflags(write=False)
        return sequences

    return standardised(x, y), standardised(held_out_x, held_out_y)


@cache
def nearest_neighbour_error(name: str) -> float:
    """The share of held-out sequences whose nearest training sequence, by Euclidean distance, has
    another class."""
    training, held_out = load_labelled(name)
    x, queries = (s.x.reshape(len(s.x), -1) for s in (training, held_out))
    wrong = 0
    for start in range(0, len(queries), CHUNK):
        chunk = slice(start, start + CHUNK)
        nearest = ((x**2).sum(1) - 2 * queries[chunk] @ x.T).argmin(axis=1)
        wrong += int((training.y[nearest] != held_out.y[chunk]).sum())
    return wrong / len(queries)
