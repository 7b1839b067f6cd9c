"""Read one sequence and write another with an encoder and a decoder (Sutskever, Vinyals & Le 2014,
arXiv 1409.3215).

In training the decoder reads the right previous symbols; in the evaluation it reads its own.

- `copy`, `reverse`: `length` random symbols, to be written again in order or from last to first.
- `dates`: a date in English words, `the twenty third of may nineteen eighty four`, to be written
  as `1984-05-23`; every day of the years 1900–2099, a fifth of them held out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array, check_choice
from tasks._dates_in_words import DAYS, ISO, all_dates
from tasks._settings import check_settings
from tasks._symbols import negative_log_likelihood, one_hot

REQUIRES: tuple[str, ...] = ()
KINDS = ("copy", "reverse", "dates")


@dataclass(frozen=True, kw_only=True)
class Seq2Seq:
    """`kind` is `copy`, `reverse` or `dates`; evaluated on `held_out` sequences.

    `copy` and `reverse` have sequences of `length` with `symbols` different symbols; `dates` has
    its own lengths and symbols. The task is solved when fewer than 5% of the sequences have a
    wrong symbol.
    """

    kind: str = "reverse"
    length: int = 10
    symbols: int = 10
    batch: int = 64
    hidden: int = 128
    steps: int = 3000
    learning_rate: float = 2e-3
    clip_norm: float | None = 1.0
    held_out: int = 1000

    readout = "every"
    loss = "cross_entropy"
    metric = "wrong"
    threshold = 0.05
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_settings(self, length=1, symbols=2, held_out=1)

    @property
    def unread(self) -> tuple[str, ...]:
        return ("length", "symbols") if self.kind == "dates" else ()

    @property
    def inputs(self) -> int:
        return len(all_dates().vocabulary) if self.kind == "dates" else self.symbols

    @property
    def outputs(self) -> int:
        return len(ISO) if self.kind == "dates" else self.symbols

    @property
    def time(self) -> int:
        return int(all_dates().words.shape[1]) if self.kind == "dates" else self.length

    @property
    def decoder(self) -> int:
        """Steps that the decoder writes."""
        return int(all_dates().iso.shape[1]) if self.kind == "dates" else self.length

    @property
    def chance(self) -> float:
        """The share wrong when the same sequence is always written."""
        count = DAYS if self.kind == "dates" else self.symbols**self.length
        return 1 - 1 / count

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, inputs)`, one-hot, and the symbols to write `(batch, decoder)`."""
        if self.kind == "dates":
            return self._dates(rng.choice(all_dates().training, self.batch))
        return self._random_symbols(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for `held_out` sequences; in `dates`, of days never used in training."""
        if self.kind == "dates":
            return self._dates(rng.choice(all_dates().held_out, self.held_out))
        return self._random_symbols(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Score logits `(n, decoder, outputs)` of a decoder that reads its own most likely symbols.

        `wrong` is the share of sequences with a wrong symbol. It would be the same if the decoder
        read the right symbols: up to the first error the two are equal. `wrong_symbols` is the
        share of wrong symbols, `cross_entropy` the mean in nats a symbol.
        """
        wrong = predictions.argmax(axis=-1) != y
        return {
            "wrong": float(wrong.any(axis=1).mean()),
            "wrong_symbols": float(wrong.mean()),
            "cross_entropy": float(negative_log_likelihood(predictions, y).mean()),
        }

    def _dates(self, days: Array) -> tuple[Array, Array]:
        return one_hot(all_dates().words[days], self.inputs), all_dates().iso[days]

    def _random_symbols(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        symbols = rng.integers(self.symbols, size=(count, self.length))
        target = symbols[:, ::-1].copy() if self.kind == "reverse" else symbols
        return one_hot(symbols, self.inputs), target


PROFILES: Mapping[str, Seq2Seq] = {
    "smoke": Seq2Seq(length=4, symbols=4, batch=16, hidden=16, steps=20, held_out=100),
    "standard": Seq2Seq(),
    "paper": Seq2Seq(length=20, steps=8000),
    "copy": Seq2Seq(kind="copy", steps=6000),
    "reverse": Seq2Seq(),
    "dates": Seq2Seq(kind="dates"),
}
