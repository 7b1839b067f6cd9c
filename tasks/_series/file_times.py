"""A column of text as points in time: dates, or numbers such as years and seconds."""

import re
from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd

from bench.spec import Unavailable
from tasks._series.file_table import quoted_rows

ISO = "ISO8601"
DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%m/%Y", "%Y/%m"),
    *("%d/%b/%Y", "%d/%B/%Y", "%d/%b/%y", "%y/%b/%d", "%b/%Y", "%B/%Y", "%b %d, %Y", "%B %d, %Y"),
)
MARKS = "/-. "
"""What may stand in place of the slash."""
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
NAMES = re.compile("%[bBp]")
"""Months, and halves of a day: letters."""
COMPACT = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""How dates are written as one number, by its digits."""
EARLIEST, LATEST = (pd.Timestamp(year).timestamp() for year in ("1800", "2200"))
"""Dates written as one number: 1600000000 is a number of seconds, not a day of the year 1600."""
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")
QUARTER = re.compile(r"^(?:(\d{4})[- ]?Q([1-4])|Q([1-4])[-/ ]?(\d{4}))$", re.IGNORECASE)
ZONE = r"\d:\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"
MOST_SAMPLES = 50
"""Formats that read one of the first different texts are tried on all."""


def read_times(
    texts: "pd.Series[str]", time_format: str
) -> "tuple[pd.Series[float], bool, list[str]]":
    """The cells of a column as numbers, or as dates in seconds since 1970, NaN where there is none;
    whether they are dates; and what is wrong with them. Dates without a time zone count as UTC.

    Without `time_format` numbers, quarters, ISO 8601 and the formats above are tried. Formats that
    read as many texts, but differently, are a problem.
    """
    readings = {time_format: _dates(texts, time_format)} if time_format else _readings(texts)
    form, times = next(iter(readings.items()))
    if len(readings) > 1:
        return times * np.nan, True, [_ambiguity(texts, readings)]
    problems = []
    if len(unread := texts[times.isna()]):
        problems.append(
            f"{quoted_rows(unread)}: no time that {time_format or 'a usual format'} reads. Say how "
            "times are written, such as --time-format '%d.%m.%Y %H:%M', or correct the rows"
        )
    zoned = texts.str.contains(ZONE)
    if zoned.any() and not zoned.all():
        problems.append(f"{quoted_rows(texts[~zoned])}: no time zone, but other times have one")
    return times, form != "", problems


def _readings(texts: "pd.Series[str]") -> "dict[str, pd.Series[float]]":
    """The times by the format that reads the most, or by several where they differ. Numbers
    have an empty format."""
    numbers = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    numbers = numbers.where(np.isfinite(numbers))
    if numbers.notna().mean() > 0.5:
        form = COMPACT.get(int(texts.str.len().mode()[0]), "")
        dates = _dates(texts, form) if form else numbers
        usual = form and dates.between(EARLIEST, LATEST).mean() > 0.5
        return {form: dates} if usual else {"": numbers}
    texts = texts.str.replace(
        QUARTER, lambda q: f"{q[1] or q[4]}-{3 * int(q[2] or q[3]) - 2:02}", regex=True
    )
    readings = {ISO: _dates(texts, ISO)}
    if readings[ISO].isna().any():
        samples = texts.drop_duplicates()[:MOST_SAMPLES]
        for form in _possible_formats(samples.str.cat()):
            if _points(samples, form).notna().any():
                readings[form] = _dates(texts, form)
    fewest = min(times.isna().sum() for times in readings.values())
    best = {form: times for form, times in readings.items() if times.isna().sum() == fewest}
    first = next(iter(best))
    others = {form: times for form, times in best.items() if _differ(times, best[first]).any()}
    return {first: best[first], **others}


def _possible_formats(characters: str) -> Iterator[str]:
    """The formats whose marks and names these characters allow."""
    marks = [mark for mark in MARKS if mark in characters]
    clocks = CLOCKS if ":" in characters else CLOCKS[:1]
    letters = any(map(str.isalpha, characters))
    for day, mark, clock in product(DAYS, marks, clocks):
        form = day.replace("/", mark) + clock
        if letters or not NAMES.search(form):
            yield form


def _differ(times: "pd.Series[float]", other: "pd.Series[float]") -> "pd.Series[bool]":
    """The rows that both formats read, but differently."""
    return (times != other) & times.notna() & other.notna()


def _dates(texts: "pd.Series[str]", time_format: str) -> "pd.Series[float]":
    return (_points(texts, time_format) - EPOCH).dt.total_seconds()


def _points(texts: "pd.Series[str]", time_format: str) -> "pd.Series[pd.Timestamp]":
    try:
        return pd.to_datetime(texts, format=time_format, errors="coerce", utc=True)
    except (ValueError, re.error) as error:  # a directive that comes twice is an error of `re`
        raise Unavailable(f"--time-format: {error}") from error


def _ambiguity(texts: "pd.Series[str]", readings: "dict[str, pd.Series[float]]") -> str:
    """What a cell that formats read differently is in each of them."""
    first, second, *_ = readings.values()
    row = int(_differ(first, second).to_numpy().argmax())
    meanings = " or ".join(
        f"{pd.Timestamp(times.iloc[row], unit='s'):%-d %B %Y} (--time-format {form!r})"
        for form, times in readings.items()
        if times.notna().iloc[row]
    )
    return (
        f"the order of day, month and year is not clear: {texts.iloc[row]!r} is {meanings}. Give "
        "the format"
    )
