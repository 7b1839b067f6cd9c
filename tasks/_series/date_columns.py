"""Which columns of a table are dates, and whether they go forwards one step at a time.

A column is one of dates if its text can be read as dates, or if it has numbers and its heading
says that they are points in time. Columns `year`, `month`, … are a date together. Beside a column
of dates, columns such as `hour` divide the day.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from bench.spec import Array
from tasks._series.time_order import (
    DATES,
    DAY,
    LATE,
    NUMBERS,
    Disorder,
    are_regular,
    non_falling_fault,
    rising_fault,
)
from tasks._series.time_text import (
    compact_dates,
    dates_of_parts,
    is_number,
    parsed_dates,
    seconds,
    times_of_day,
)

POINT_WORDS = ("year", "time", "date", "datetime", "timestamp", "ds", "unix", "epoch")
RISING_SHARE = 0.9
"""Numbers are points in time if the last word of their heading is one of these and no other word
counts units, as in `day_of_year`. If the heading has other words, this share of the steps must not
fall: the steps of `travel_time` do."""
UNIT_WORDS = ("month", "quarter", "week", "day", "hour", "minute")
COUNTING_SHARE = 0.8
"""Numbers under one of these headings are points in time if they count from 0 or 1, without
repeating, and this share of the steps is 1."""
SUFFIXES = ("s", "sec", "seconds", "ms", "us", "ns", "utc")
"""Units that may follow the last word of a heading, as in `unix_time (s)`."""
PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Headings of columns that are a date together: the first of them, or more."""
DAY_PARTS = ("time", "hour", "hr", "minute", "period", "interval")
"""Headings of columns that divide the days of a column of dates."""
DATE_WORDS = ("date", "datetime", "timestamp", "ds")
"""Text must be dates if this is the last word of its heading."""
DATE_PATTERN = re.compile(r"\d{4}|\d+[-/.]\d+[-/.]\d+")
"""What the first cell has if its column may be dates: a year, or three numbers."""

Column = tuple[str, Sequence[str]]
"""A heading and the cells below it."""


@dataclass(frozen=True)
class DateFault:
    """A row, counted from 0, whose date is wrong: the columns, their text there, and why."""

    headings: Sequence[str]
    row: int
    text: str
    problem: str


def first_fault(columns: Sequence[Column]) -> DateFault | None:
    """The first date, among columns of a table, that is not one step after the date before it."""
    day_parts = [column for column in columns if column[0].lower() in DAY_PARTS]
    has_dates = any(_words(heading)[-1] in DATE_WORDS for heading, _ in columns)
    for heading, texts in columns:
        numeric = all(map(is_number, texts))
        if has_dates and heading.lower() in DAY_PARTS and numeric:
            continue
        check = _number_fault if numeric else _text_fault
        if disorder := check(heading, texts, [cells for _, cells in day_parts]):
            used = [(heading, texts), *(day_parts if _repeats(texts) else [])]
            return _located(used, disorder)
    parts = {heading.lower(): (heading, texts) for heading, texts in columns}
    used = [parts[name] for name in takewhile(parts.__contains__, PARTS)]
    disorder = _parts_fault([texts for _, texts in used]) if len(used) > 1 else None
    return _located(used, disorder) if disorder else None


def _located(columns: Sequence[Column], disorder: Disorder) -> DateFault:
    text = " ".join(texts[disorder.row] for _, texts in columns)
    return DateFault([heading for heading, _ in columns], disorder.row, text, disorder.problem)


def _words(heading: str) -> list[str]:
    """The words of a heading without units at its end: unix, time for `unix_time (s)`."""
    words = [word for word in re.split(r"[^a-z]+", heading.lower()) if word] or [""]
    while len(words) > 1 and words[-1] in SUFFIXES:
        words.pop()
    return words


def _repeats(values: Sequence[Any] | Array) -> bool:
    """Whether a value equals the one before it."""
    return any(a == b for a, b in pairwise(values))


def _number_fault(
    heading: str, texts: Sequence[str], day_parts: Sequence[Sequence[str]]
) -> Disorder | None:
    """The first fault of a column of numbers, if they are points in time.

    They may repeat: a year has many months.
    """
    words, numbers = _words(heading), np.array(texts, dtype=np.float64)
    points = words[-1] in POINT_WORDS and not {*words} & {*UNIT_WORDS}
    if not points and (len(words) != 1 or words[0] not in UNIT_WORDS):
        return None
    dates = compact_dates(texts)
    if dates is not None:
        return _date_fault(dates, day_parts)
    steps = np.diff(numbers)
    if not (points and (len(words) == 1 or np.mean(steps >= 0) >= RISING_SHARE)):
        counted = numbers[0] in (0, 1) and len(np.unique(numbers)) == len(numbers)
        if not (counted and np.mean(steps == 1) >= COUNTING_SHARE):
            return None
    return non_falling_fault(numbers, NUMBERS)


def _text_fault(
    heading: str, texts: Sequence[str], day_parts: Sequence[Sequence[str]]
) -> Disorder | None:
    """The first fault of a column of text, if it is dates or its heading says that it is."""
    if not DATE_PATTERN.search(texts[0]) or parsed_dates(texts[:1], day_first=False).isna().any():
        if _words(heading)[-1] not in DATE_WORDS:
            return None
        problem = f"is not a date that can be read. Write 2026-01-31, or rename {heading!r}"
        return Disorder(0, problem)
    readings = [parsed_dates(texts, day_first=day_first) for day_first in (False, True)]
    dates = min(readings, key=lambda dates: (dates.isna().sum(), (dates.diff().dt.days < 0).sum()))
    if dates.isna().any():
        problem = "is not a date like those before it. Write all dates the same, without gaps"
        return Disorder(int(np.argmax(dates.isna())), problem)
    return _date_fault(seconds(dates), day_parts)


def _date_fault(times: Array, day_parts: Sequence[Sequence[str]]) -> Disorder | None:
    """The first date that is not one step after the date before it.

    Columns such as hours order the rows of a day that repeats: they divide it into as many parts
    as they have values. If most days lack some of these, a missing one is not a gap.
    """
    if not day_parts or not _repeats(times) or (times % DAY).any():
        return rising_fault(times, DATES)
    keys = [times_of_day(texts) for texts in day_parts]
    if any(np.isnan(key).any() for key in keys):
        return non_falling_fault(times, DATES)
    index = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].ravel()
    interval = DAY / (index.max() + 1)
    divided = times + interval * index
    complete = np.median(np.diff(divided)) < LATE * interval
    return (rising_fault if complete else non_falling_fault)(divided, DATES)


def _parts_fault(columns: Sequence[Sequence[str]]) -> Disorder | None:
    """The first fault of dates whose year, month, … are in a column each.

    Falls at equal distances are no fault: the months of a fiscal year fall like that.
    """
    rows = [*zip(*columns, strict=True)]
    if not all(is_number(cell) for cells in rows for cell in cells if cell):
        return None
    if (gap := next((k for k, cells in enumerate(rows) if "" in cells), None)) is not None:
        return Disorder(gap, "is not a complete date: a part of it is a gap. Fill it in")
    numbers = [np.array(texts, dtype=np.float64) for texts in columns]
    times = dates_of_parts(dict(zip(PARTS[: len(numbers)], numbers, strict=True)))
    falls = np.flatnonzero(np.diff(times) < 0)
    if are_regular(falls, len(times) - 1) and len(np.unique(times[falls + 1])) > 1:
        return None
    return non_falling_fault(times, DATES)
