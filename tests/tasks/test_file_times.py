"""A column of times in a user's file: how times are written, and what is refused."""

import re
from pathlib import Path

import pandas as pd
import pytest
from user_file import dates, forecasting_of, with_times, without

from bench.spec import Unavailable

WRITTEN = {
    "ISO": (dates("D", "%Y-%m-%d"), "days"),
    "ISO with a zone": (dates("h", "%Y-%m-%dT%H:%M:%SZ"), "hours"),
    "ISO with an offset": (dates("h", "%Y-%m-%dT%H:%M:%S+01:00"), "hours"),
    "points": (dates("D", "%d.%m.%Y"), "days"),
    "month first": (dates("D", "%m/%d/%Y"), "days"),
    "twelve hours": (dates("6h", "%m/%d/%Y %I:%M %p", 100), "steps of 6 hours"),
    "seconds": (dates("6h", "%d/%m/%Y %H:%M:%S", 100), "steps of 6 hours"),
    "short months": (dates("MS", "%d-%b-%Y"), "months"),
    "May first": (dates("MS", "%d-%b-%Y", start="2018-05-01"), "months"),
    "long months": (dates("D", "%d %B %Y"), "days"),
    "American": (dates("D", "%b %d, %Y"), "days"),
    "American without a comma": (dates("D", "%B %d %Y"), "days"),
    "year before a short month": (dates("MS", "%Y-%b"), "months"),
    "month and year": (dates("MS", "%b %Y"), "months"),
    "month in digits": (dates("MS", "%m/%Y"), "months"),
    "quarters": ([f"{2010 + k // 4}Q{k % 4 + 1}" for k in range(40)], "quarters"),
    "quarters first": ([f"Q{k % 4 + 1} {2010 + k // 4}" for k in range(40)], "quarters"),
    "one number": (dates("D", "%Y%m%d"), "days"),
    "six digits": (dates("MS", "%Y%m"), "months"),
    "ten digits": (dates("h", "%Y%m%d%H"), "hours"),
    "years": ([str(year) for year in range(1990, 2030)], "steps of 1"),
    "decimal years": ([f"{1949 + k / 12:.3f}" for k in range(120)], "steps of 0.083"),
    "seconds since 1970": ([str(1_600_000_000 + 60 * k) for k in range(40)], "steps of 60"),
    "midnight without a clock": (
        [text.removesuffix(" 00:00:00") for text in dates("h", "%Y-%m-%d %H:%M:%S", 60)],
        "hours",
    ),
    "midnight without a clock, day first": (
        [
            text.removesuffix(" 00:00")
            for text in dates("h", "%d.%m.%Y %H:%M", 60, start="2018-01-20")
        ],
        "hours",
    ),
    "midnight without a clock, twelve hours": (
        [
            text.removesuffix(" 12:00 AM")
            for text in dates("h", "%m/%d/%Y %I:%M %p", 60, start="2018-01-20")
        ],
        "hours",
    ),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_times_are_read_in_every_usual_form(form: str, tmp_path: Path) -> None:
    times, spacing = WRITTEN[form]
    (note,) = forecasting_of(with_times(times), tmp_path, time_column="t").notes
    assert note.endswith(f"{len(times)} values in {spacing}, by column 't'")


@pytest.mark.parametrize("form", sorted(WRITTEN))
def test_a_missing_time_is_told_with_its_line_in_every_form(form: str, tmp_path: Path) -> None:
    times, spacing = WRITTEN[form]
    with pytest.raises(Unavailable) as error:
        forecasting_of(with_times(without(times, 13)), tmp_path, time_column="t")
    assert f"times in {spacing}, 1 missing: 1 before line 15 ({times[14]!r})" in str(error.value)
    assert "--fill forward or linear" in str(error.value)


@pytest.mark.parametrize(
    ("times", "readings"),
    [
        (
            dates("MS", "%d/%m/%Y", 36),
            ("1 February 2018 (--time-format '%d/%m/%Y') or 2 January 2018",),
        ),
        (dates("D", "%d.%m.%Y", 12), ("2 January 2018", "1 February 2018", "'%m.%d.%Y'")),
        (without(dates("QS", "%d/%m/%Y", 40), 17), ("'%d/%m/%Y'", "'%m/%d/%Y'")),
        (
            dates("MS", "%y-%m-%d", 24),
            ("1 January 2018 (--time-format '%y-%m-%d')", "18 January 2001"),
        ),
    ],
)
def test_an_ambiguous_order_of_day_and_month_is_refused_with_its_readings(
    times: list[str], readings: tuple[str, ...], tmp_path: Path
) -> None:
    text = with_times(times)
    with pytest.raises(Unavailable, match="order of day, month and year is not clear") as error:
        forecasting_of(text, tmp_path, time_column="t")
    assert all(reading in str(error.value) for reading in readings)


def test_the_format_settles_an_ambiguous_order(tmp_path: Path) -> None:
    times = dates("QS", "%d/%m/%Y", 40)
    settings = {"time_column": "t", "time_format": "%d/%m/%Y"}
    assert "in quarters" in forecasting_of(with_times(times), tmp_path, **settings).notes[0]
    with pytest.raises(Unavailable, match=r"in quarters, 1 missing: 1 before line 19"):
        forecasting_of(with_times(without(times, 17)), tmp_path, **settings)


def test_the_format_of_a_clock_reads_midnight_without_one(tmp_path: Path) -> None:
    times = [text.removesuffix(" 00:00") for text in dates("h", "%d/%m/%Y %H:%M", 60)]
    settings = {"time_column": "t", "time_format": "%d/%m/%Y %H:%M"}
    assert "in hours" in forecasting_of(with_times(times), tmp_path, **settings).notes[0]
    with pytest.raises(Unavailable, match=r"line 9 \('01.01.2018'\): no time"):
        forecasting_of(with_times([*times[:7], "01.01.2018", *times[8:]]), tmp_path, **settings)


def test_columns_of_times_are_read_together(tmp_path: Path) -> None:
    hours = [f"2020-01-{k // 24 + 1:02},{k % 24}" for k in range(72)]
    months = [f"{2018 + k // 12},{k % 12 + 1}" for k in range(40)]
    for headings, rows, form, spacing in (
        ("date,hour", hours, "%Y-%m-%d %H", "hours"),
        ("year,month", months, "", "months"),
    ):
        text = with_times(rows, headings).replace('"', "")
        (note,) = forecasting_of(text, tmp_path, time_column=headings, time_format=form).notes
        assert note.endswith(f"in {spacing}, by column {headings!r}")


UNUSUAL = {
    "a name of the day": (dates("D", "%a, %d %b %Y"), "%a, %d %b %Y"),
    "points between year and month": (dates("MS", "%m.%Y"), "%m.%Y"),
    "a month and two digits": (dates("MS", "%b-%y"), "%b-%y"),
    "a letter between": (dates("MS", "%YM%m"), "%YM%m"),
}


@pytest.mark.parametrize("form", UNUSUAL)
def test_an_unusual_form_is_read_by_its_format_alone(form: str, tmp_path: Path) -> None:
    times, time_format = UNUSUAL[form]
    with pytest.raises(Unavailable, match="column 'y': "):
        forecasting_of(with_times(times), tmp_path, time_column="t")
    task = forecasting_of(with_times(times), tmp_path, time_column="t", time_format=time_format)
    assert f"40 values in {'days' if '%d' in time_format else 'months'}, by" in task.notes[0]


@pytest.mark.parametrize(
    ("times", "line"),
    [
        ([f"2020-01-{k // 24 + 1:02} {k % 24 + 1:02}:00" for k in range(72)], "24:00"),
        ([*dates("6h", "%d.%m.%Y %H:%M", 100), "26/01/2018", "27/01/2018"], "26/01/2018"),
    ],
)
def test_a_form_that_differs_from_the_others_is_named(
    times: list[str], line: str, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=rf"lines \d+ .*{line}.*: no time that a usual format"):
        forecasting_of(with_times(times), tmp_path, time_column="t")


@pytest.mark.parametrize(
    ("times", "form", "message"),
    [
        (["soon"] * 40, "", "40 rows, lines 2 ('soon'), 3 ('soon')"),
        ([*dates("D", "%Y-%m-%d", 30), "soon"], "", "line 32 ('soon'): no time that a usual"),
        ([*dates("D", "%Y-%m-%d", 30), ""], "", "line 32 (''): no time"),
        (["20180230", *dates("D", "%Y%m%d", 30)], "", "line 2 ('20180230'): no time that"),
        (dates("D", "%Y-%m-%d"), "%d.%m.%Y", "no time that %d.%m.%Y reads"),
        (dates("D", "%Y-%m-%d"), "%Q", "--time-format: 'Q' is a bad directive"),
        (
            [*dates("D", "%Y-%m-%d %H:%M-05", 30), "2018-01-31 00:00"],
            "",
            "line 32 ('2018-01-31 00:00'): no time zone, but other times have one",
        ),
        (
            [*dates("D", "%Y-%m-%dT%H:%MZ", 30), "2018-01-31 00:00"],
            "",
            "line 32 ('2018-01-31 00:00'): no time zone, but other times have one",
        ),
    ],
)
def test_what_is_no_time_is_refused(
    times: list[str], form: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=re.escape(message)):
        forecasting_of(with_times(times), tmp_path, time_column="t", time_format=form)


def test_an_hour_repeated_or_skipped_by_a_clock_change_is_refused(tmp_path: Path) -> None:
    autumn = pd.date_range("2020-10-24 20:00", periods=30, freq="h", tz="Europe/Berlin")
    spring = pd.date_range("2020-03-28 20:00", periods=30, freq="h", tz="Europe/Berlin")
    messages = (
        (
            autumn,
            "again in line 9 ('2020-10-25 02:00'). Delete rows, or write times with their offset",
        ),
        (spring, "1 missing: 1 before line 8 ('2020-03-29 03:00')"),
    )
    for times, message in messages:
        text = with_times(list(times.strftime("%Y-%m-%d %H:%M")))
        with pytest.raises(Unavailable, match=re.escape(message)):
            forecasting_of(text, tmp_path, time_column="t")
        zoned = with_times(list(times.strftime("%Y-%m-%dT%H:%M%z")))
        assert "in hours" in forecasting_of(zoned, tmp_path, time_column="t").notes[0]
