"""A column of text as points in time: dates, or numbers such as years and seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.spec import Array, Unavailable
from tasks._series.date_forms import COMPACT, COMPACT_SHARE, COMPACT_YEARS, ISO, QUARTER, date_forms
from tasks._series.quoting import quoted_rows
from tasks._series.spacing import FEWEST_SPACED, spacing_of_dates

HOUR_24 = r"(?<=[ T])24(?=:00)"
HOUR_24_ALONE = r"(?<= )24$"
ZONE = r"\d:\d\d.*(?:[Zz]|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, eq=False)
class Times:
    """Points in time of every row: dates in UTC, or in the file's own zone if it names none, or
    numbers. NaT or NaN where a text could not be read; None if nothing could."""

    values: "pd.Series[pd.Timestamp] | pd.Series[float] | None"
    problems: Sequence[str]
    zoned: bool = False

    @property
    def are_dates(self) -> bool:
        return self.values is not None and self.values.dtype.kind == "M"


@dataclass(frozen=True, eq=False)
class Reading:
    """The dates that a format reads."""

    format: str
    dates: "pd.Series[pd.Timestamp]"

    @property
    def unread(self) -> int:
        return int(self.dates.isna().sum())


def read_times(texts: "pd.Series[str]", lines: Array, time_format: str) -> Times:
    """Read the cells of a column of times; `lines` are their lines in the file.

    Without `time_format` every form of `DAYS` and `CLOCKS`, ISO 8601, quarters and numbers are
    tried. Two readings that differ, such as the day or the month first, are a problem.
    """
    if not time_format and (numbers := _numbers(texts)) is not None:
        return Times(numbers, _unread_problem(texts, lines, numbers, ""))
    readings = (
        [Reading(time_format, _dates(texts, time_format))] if time_format else _readings(texts)
    )
    fewest = min(reading.unread for reading in readings)
    best = [reading for reading in readings if reading.unread == fewest]
    if fewest == len(texts):
        return Times(None, _unread_problem(texts, lines, best[0].dates, time_format))
    others = [reading for reading in best[1:] if not reading.dates.equals(best[0].dates)]
    if others:
        return Times(None, [_ambiguity(texts, [best[0], *others])])
    zoned = texts.str.contains(ZONE)
    problems = _unread_problem(texts, lines, best[0].dates, time_format)
    return Times(best[0].dates, problems + _zone_problem(texts, lines, zoned), bool(zoned.any()))


def _numbers(texts: "pd.Series[str]") -> "pd.Series[float] | pd.Series[pd.Timestamp] | None":
    """Numbers, or the dates that they write; None if most cells are no numbers."""
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    numbers = numbers.where(numbers.abs() < float("inf"))
    if numbers.notna().mean() < 0.5:
        return None
    digits = texts.str.len().mode()[0]
    if int(digits) in COMPACT:
        dates = _dates(texts, COMPACT[int(digits)])
        usual = dates.dt.year.isin(COMPACT_YEARS)
        if usual.sum() >= COMPACT_SHARE * numbers.notna().sum():
            return dates.where(usual)
    return numbers


def _readings(texts: "pd.Series[str]") -> list[Reading]:
    """A reading for every form that reads one of a few typical cells."""
    typical = texts.iloc[[0, int(texts.str.len().argmax()), len(texts) // 2]]
    if typical.str.fullmatch(QUARTER).any():
        return [Reading("quarters", _quarters(texts))]
    readings = [Reading(ISO, _dates(texts, ISO))]
    if readings[0].unread:
        forms = (form for form in date_forms() if _dates(typical, form).notna().any())
        readings += [Reading(form, _dates(texts, form)) for form in forms]
    return readings


def _dates(texts: "pd.Series[str]", form: str) -> "pd.Series[pd.Timestamp]":
    """The dates in this format, in UTC and without a zone.

    24:00 is the end of the day. A date alone, in a format with a clock, is its midnight: so R and
    other programs write midnight.
    """
    pattern = HOUR_24_ALONE if form.endswith(" %H") else HOUR_24
    late = texts.str.contains(pattern)
    plain = texts.str.replace(pattern, "00", regex=True) if late.any() else texts
    dates = _parsed(plain, form)
    day, clock, _ = form.partition(" %H" if " %H" in form else " %I")
    if clock and dates.isna().any() and dates.notna().any():
        dates = dates.fillna(_parsed(plain, day))
    return dates + pd.to_timedelta(late.astype(int), unit="D") if late.any() else dates


def _parsed(texts: "pd.Series[str]", form: str) -> "pd.Series[pd.Timestamp]":
    try:
        dates = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
    except ValueError as error:
        raise Unavailable(f"--time-format: {error}") from error
    return dates.dt.tz_localize(None).dt.as_unit("us")


def _quarters(texts: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    years, quarters = (
        texts.str.extract(pattern, expand=False) for pattern in (r"(\d{4})", r"[Qq]([1-4])")
    )
    month = 3 * pd.to_numeric(quarters, errors="coerce") - 2
    texts = years + "-" + month.astype("Int64").astype(str).str.zfill(2)
    return _parsed(texts, "%Y-%m")


def _unread_problem(
    texts: "pd.Series[str]",
    lines: Array,
    times: "pd.Series[float] | pd.Series[pd.Timestamp]",
    form: str,
) -> list[str]:
    unread = times.isna()
    if not unread.any():
        return []
    if form:
        advice = f"--time-format {form!r} does not read it. Mend the rows, or give another format"
    else:
        advice = (
            "no time that can be read. Mend the rows, or say how times are written, such as "
            "--time-format '%d.%m.%Y %H:%M'"
        )
    return [f"{quoted_rows(lines[unread], texts[unread])}: {advice}"]


def _zone_problem(texts: "pd.Series[str]", lines: Array, zoned: "pd.Series[bool]") -> list[str]:
    """The fewer of the times with and without a zone, if a file has both."""
    if zoned.all() or not zoned.any():
        return []
    fewer, kind = (zoned, "with") if zoned.mean() < 0.5 else (~zoned, "without")
    rows = quoted_rows(lines[fewer], texts[fewer])
    return [f"{rows}: a time {kind} a time zone, unlike the others. Write all times alike"]


def _ambiguity(texts: "pd.Series[str]", readings: Sequence[Reading]) -> str:
    """The readings of a cell on which they differ, each with the option that chooses it."""
    first, *others = (reading.dates for reading in readings)
    differ = pd.concat([first != other for other in others], axis=1).all(axis=1)
    row = int(differ.to_numpy().argmax())
    meanings = " or ".join(_meaning(reading, row) for reading in readings)
    return (
        f"the order of day, month and year is not clear: {texts.iloc[row]!r} is {meanings}. Give "
        "one of these formats"
    )


def _meaning(reading: Reading, row: int) -> str:
    """`1 February 2018 (--time-format '%d/%m/%Y', in months without a gap)`."""
    date = reading.dates.iloc[row]
    option = f"--time-format {reading.format!r}{_evenness(reading)}"
    return f"{date.day} {date:%B %Y} ({option})"


def _evenness(reading: Reading) -> str:
    """`, in months without a gap`, if rows read so are evenly spaced."""
    dates = pd.DatetimeIndex(reading.dates.dropna().drop_duplicates().sort_values())
    spacing = spacing_of_dates(dates) if len(dates) >= FEWEST_SPACED else None
    even = spacing and not spacing.missing and not len(spacing.off)
    return f", in {spacing.name} without a gap" if spacing and even else ""
