"""One sequence in, another one out, by an encoder and a decoder (Sutskever, Vinyals & Le 2014,
arXiv 1409.3215): taught with the right beginning, judged on what it writes by itself.

- `copy`, `reverse`: `length` random symbols, the same again or from the last to the first.
- `dates`: a date in English words, `the twenty third of may nineteen eighty four`, and the same as
  `1984-05-23`; every day of the years 1900–2099, a fifth of them held out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._common import check, log_probabilities, one_hot

REQUIRES: tuple[str, ...] = ()
KINDS = ("copy", "reverse", "dates")
FIRST_DAY, DAYS = date(1900, 1, 1), 73_049
HELD_OUT, SEED = 0.2, 2014
ISO = "0123456789-"


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MONTHS = words(
    "january february march april may june july august september october november december"
)
BELOW_TWENTY = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)


def below_hundred(number: int) -> list[str]:
    """`eighty four`."""
    if number < 20:
        return [BELOW_TWENTY[number]]
    tens, ones = divmod(number, 10)
    return [TENS[tens], *([BELOW_TWENTY[ones]] if ones else [])]


def ordinal(day: int) -> list[str]:
    """`twenty third`, of a day of a month."""
    if day <= 20:
        return [ORDINALS[day]]
    return ["thirtieth"] if day == 30 else [TENS[day // 10], ORDINALS[day % 10]]


def year(number: int) -> list[str]:
    """`nineteen oh four`, `two thousand four`, `twenty thirteen`."""
    century, rest = divmod(number, 100)
    if century == 20 and rest < 10:
        return ["two", "thousand", *([BELOW_TWENTY[rest]] if rest else [])]
    if rest == 0:
        return [*below_hundred(century), "hundred"]
    return [*below_hundred(century), *(["oh"] if rest < 10 else []), *below_hundred(rest)]


def in_words(day: date) -> list[str]:
    """The words of a date."""
    return ["the", *ordinal(day.day), "of", MONTHS[day.month - 1], *year(day.year)]


@dataclass(frozen=True)
class Dates:
    """Every day: its words by number, padded with that of the end, `(days, words)`; its ten
    characters by number, `(days, 10)`; and which days are held out."""

    words: Array
    iso: Array
    vocabulary: Sequence[str]
    trained: Array
    held_out: Array


@cache
def dates() -> Dates:
    """Read-only."""
    days = [FIRST_DAY + timedelta(k) for k in range(DAYS)]
    texts = [in_words(day) for day in days]
    vocabulary = ["<end>", *sorted({word for text in texts for word in text})]
    number = {word: k for k, word in enumerate(vocabulary)}
    numbers = np.zeros((DAYS, max(map(len, texts)) + 1), dtype=np.int64)
    for row, text in zip(numbers, texts, strict=True):
        row[: len(text)] = [number[word] for word in text]
    iso = np.array([[ISO.index(c) for c in day.isoformat()] for day in days])
    order = np.random.default_rng(SEED).permutation(DAYS)
    kept = round(HELD_OUT * DAYS)
    for array in (numbers, iso, order):
        array.setflags(write=False)
    return Dates(numbers, iso, tuple(vocabulary), order[kept:], order[:kept])


@dataclass(frozen=True, kw_only=True)
class Seq2Seq:
    """`symbols` and `length` are those of `copy` and `reverse`; `dates` has its own."""

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
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        check(self, length=1, symbols=2, held_out=1)

    @property
    def unread(self) -> tuple[str, ...]:
        return ("length", "symbols") if self.kind == "dates" else ()

    @property
    def inputs(self) -> int:
        return len(dates().vocabulary) if self.kind == "dates" else self.symbols

    @property
    def outputs(self) -> int:
        return len(ISO) if self.kind == "dates" else self.symbols

    @property
    def time(self) -> int:
        return dates().words.shape[1] if self.kind == "dates" else self.length

    @property
    def decoder(self) -> int:
        """Steps that it writes."""
        return dates().iso.shape[1] if self.kind == "dates" else self.length

    @property
    def chance(self) -> float:
        """Always writing the same."""
        count = DAYS if self.kind == "dates" else self.symbols**self.length
        return 1 - 1 / count

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, time, inputs)`, one-hot, and what to write `(batch, decoder)`."""
        if self.kind == "dates":
            return self._days(rng.choice(dates().trained, self.batch))
        return self._random(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same of `held_out` sequences; of `dates`, of days that are never trained on."""
        if self.kind == "dates":
            return self._days(rng.choice(dates().held_out, self.held_out))
        return self._random(rng, self.held_out)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Of logits `(n, decoder, outputs)` of what it writes by itself, the likeliest symbol at
        each step handed to the next: `wrong`, the share of sequences with any symbol wrong, the
        same as where the right beginning is given, `wrong_symbols`, that of the symbols, and
        `cross_entropy`, nats a symbol."""
        wrong = predictions.argmax(axis=-1) != y
        chosen = np.take_along_axis(log_probabilities(predictions), y[..., None], axis=-1)
        return {
            "wrong": float(wrong.any(axis=1).mean()),
            "wrong_symbols": float(wrong.mean()),
            "cross_entropy": -float(chosen.mean()),
        }

    def _days(self, which: Array) -> tuple[Array, Array]:
        return one_hot(dates().words[which], self.inputs), dates().iso[which]

    def _random(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        shown = rng.integers(self.symbols, size=(count, self.length))
        wanted = shown[:, ::-1].copy() if self.kind == "reverse" else shown
        return one_hot(shown, self.inputs), wanted


PROFILES: Mapping[str, Seq2Seq] = {
    "smoke": Seq2Seq(length=4, symbols=4, batch=16, hidden=16, steps=20, held_out=100),
    "standard": Seq2Seq(),
    "paper": Seq2Seq(length=20, steps=8000),
    "copy": Seq2Seq(kind="copy", steps=6000),
    "reverse": Seq2Seq(),
    "dates": Seq2Seq(kind="dates"),
}
