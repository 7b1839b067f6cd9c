"""Every day of the years 1900–2099 in English words and as `1984-05-23`, for `seq2seq`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np

from bench.spec import Array

FIRST_DAY, DAYS = date(1900, 1, 1), 73_049
HELD_OUT, SEED = 0.2, 2014
ISO = "0123456789-"
"""The characters of a date in digits."""
END = "<end>"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MONTHS = _words(
    "january february march april may june july august september october november december"
)
BELOW_TWENTY = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
TENS = _words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = _words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)


def below_hundred(number: int) -> list[str]:
    """A number below 100: `eighty four`."""
    if number < 20:
        return [BELOW_TWENTY[number]]
    tens, units = divmod(number, 10)
    return [TENS[tens], *([BELOW_TWENTY[units]] if units else [])]


def ordinal(day: int) -> list[str]:
    """A day of a month: `twenty third`."""
    if day <= 20:
        return [ORDINALS[day]]
    return ["thirtieth"] if day == 30 else [TENS[day // 10], ORDINALS[day % 10]]


def year_in_words(year: int) -> list[str]:
    """`nineteen oh four`, `two thousand four`, `twenty thirteen`."""
    century, within = divmod(year, 100)
    if century == 20 and within < 10:
        return ["two", "thousand", *([BELOW_TWENTY[within]] if within else [])]
    if within == 0:
        return [*below_hundred(century), "hundred"]
    return [*below_hundred(century), *(["oh"] if within < 10 else []), *below_hundred(within)]


def date_in_words(day: date) -> list[str]:
    """`the twenty third of may nineteen eighty four`, as a list of words."""
    return ["the", *ordinal(day.day), "of", MONTHS[day.month - 1], *year_in_words(day.year)]


@dataclass(frozen=True)
class Dates:
    """Every day, and a fixed split of the days for training and evaluation.

    `words` `(days, words)` has indices into `vocabulary`, padded with the index of `END`; `iso`
    `(days, 10)` indices into `ISO`; `training` and `held_out` have indices of days.
    """

    words: Array
    iso: Array
    vocabulary: Sequence[str]
    training: Array
    held_out: Array


@cache
def all_dates() -> Dates:
    """Every day, in read-only arrays."""
    days = [FIRST_DAY + timedelta(k) for k in range(DAYS)]
    texts = [date_in_words(day) for day in days]
    vocabulary = [END, *sorted({word for text in texts for word in text})]
    index = {word: k for k, word in enumerate(vocabulary)}
    words = np.zeros((DAYS, max(map(len, texts)) + 1), dtype=np.int64)
    for codes, text in zip(words, texts, strict=True):
        codes[: len(text)] = [index[word] for word in text]
    iso = np.array([[ISO.index(c) for c in day.isoformat()] for day in days])
    order = np.random.default_rng(SEED).permutation(DAYS)
    held_out = round(HELD_OUT * DAYS)
    for array in (words, iso, order):
        array.setflags(write=False)
    return Dates(words, iso, tuple(vocabulary), order[held_out:], order[:held_out])
