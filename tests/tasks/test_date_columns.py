"""Columns of dates beside a series: which columns are dates, and their order and gaps."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from task_samples import rng
from user_file import forecasting_of, with_dates

from bench.spec import Unavailable

DATES = {
    "years": ("Year", [str(year) for year in range(1900, 1930)]),
    "decimal years": ("year", [f"{1949 + k / 12:.3f}" for k in range(30)]),
    "months": ("Month", [f"{1949 + k // 12}-{k % 12 + 1:02}" for k in range(30)]),
    "month first": ("date", [f"{k % 12 + 1:02}/01/{2020 + k // 12}" for k in range(30)]),
    "day first": ("date", [f"{k + 1:02}.01.2020" for k in range(30)]),
    "named months": ("date", [f"{date(2020 + k // 12, k % 12 + 1, 1):%b %Y}" for k in range(30)]),
    "hours": ("time", [f"2020-01-{k // 24 + 1:02} {k % 24:02}:00" for k in range(30)]),
    "seconds": ("unix_time", [str(1_600_000_000 + 60 * k) for k in range(30)]),
    "years of sales": ("sale_year", [str(year) for year in range(1990, 2020)]),
    "dates as numbers": ("order_date", [f"202001{k + 1:02}" for k in range(30)]),
    "months as numbers": ("month", [f"{2020 + k // 12}{k % 12 + 1:02}" for k in range(30)]),
    "counted days": ("day", [str(k) for k in range(30)]),
    "counted weeks": ("Week", [str(k + 1) for k in range(30)]),
    "days in six digits": (
        "date",
        [f"20{k // 28 + 1:02}{k % 28 + 1:02}" for k in range(28)] + ["200129", "200130"],
    ),
    "hours in ten": ("timestamp", [f"202002{k // 24 + 1:02}{k % 24:02}" for k in range(30)]),
    "minutes in twelve": ("time", [f"2020020110{k:02}" for k in range(30)]),
    "seconds since the epoch": ("epoch", [str(1_600_000_000 + k) for k in range(30)]),
    "nanoseconds": ("time_ns", [str(1_600_000_000_000_000_000 + 10**9 * k) for k in range(30)]),
    "seconds in parentheses": ("time (s)", [f"{k / 10}" for k in range(30)]),
    "milliseconds": ("unix_ms", [str(1_600_000_000_000 + 60_000 * k) for k in range(30)]),
    "a year and its months": ("year,month", [f"{2020 + k // 12},{k % 12 + 1}" for k in range(30)]),
    "hours of days": (
        "Year,Month,Day,Hour",
        [f"2020,2,{k // 24 + 1},{k % 24}" for k in range(30)],
    ),
    "business days": ("date", list(pd.bdate_range("2020", periods=30).strftime("%Y-%m-%d"))),
}


def quoted(heading: str) -> str:
    """A pattern for the headings as a message quotes them."""
    return re.escape(", ".join(map(repr, heading.split(","))))


@pytest.mark.parametrize("form", DATES)
def test_dates_out_of_order_are_refused_in_every_form(form: str, tmp_path: Path) -> None:
    heading, dates = DATES[form]
    forecasting_of(with_dates(heading, dates), tmp_path, level="window")
    dates = [*dates[:20], dates[21], dates[20], *dates[22:]]
    with pytest.raises(
        Unavailable, match=rf"line 23, columns? {quoted(heading)}: .* not come after"
    ):
        forecasting_of(with_dates(heading, dates), tmp_path / "again", level="window")


@pytest.mark.parametrize("form", sorted({*DATES} - {"decimal years", "business days"}))
def test_missing_date_is_a_gap(form: str, tmp_path: Path) -> None:
    heading, dates = DATES[form]
    forecasting_of(with_dates(heading, dates), tmp_path, level="window")
    with pytest.raises(Unavailable, match=rf"line 14, columns? {quoted(heading)}: .* a gap"):
        forecasting_of(
            with_dates(heading, dates[:12] + dates[13:]), tmp_path / "again", level="window"
        )


def test_hours_beside_a_date_must_be_in_order_without_gaps(tmp_path: Path) -> None:
    for heading, form in (("date,hour", "{}"), ("date,time", "{:02}:00"), ("Date,Hr", "{}")):
        rows = [f"2020-01-{k // 24 + 1:02},{form.format(k % 24)}" for k in range(100)]
        rows = [row.replace("-", "") for row in rows] if heading == "Date,Hr" else rows
        forecasting_of(with_dates(heading, rows), tmp_path / heading, level="window")
        column = rf"columns {quoted(heading)}: "
        for message, changed in (
            (rf"line 32, {column}.* a gap", rows[:30] + rows[31:]),
            (rf"line 32, {column}.* not come after", [*rows[:30], rows[29], *rows[30:]]),
            (rf"line 33, {column}.* not come after", [*rows[:30], rows[31], rows[30], *rows[32:]]),
            (rf"line 26, {column}.* a gap", rows[:24] + rows[48:]),
        ):
            with pytest.raises(Unavailable, match=message):
                forecasting_of(
                    with_dates(heading, changed),
                    tmp_path / f"{heading}{hash(message)}",
                    level="window",
                )


def test_weeks_without_business_days_are_a_gap(tmp_path: Path) -> None:
    days = list(pd.bdate_range("2000", "2003").strftime("%Y-%m-%d"))
    forecasting_of(with_dates("date", days[:200] + days[206:]), tmp_path, level="window")
    with pytest.raises(Unavailable, match="is more than a step after the date"):
        forecasting_of(
            with_dates("date", days[:200] + days[211:]), tmp_path / "again", level="window"
        )


def test_year_without_business_days_is_a_gap(tmp_path: Path) -> None:
    days = [d for d in pd.bdate_range("2000", "2003").strftime("%Y-%m-%d") if d[:4] != "2001"]
    with pytest.raises(Unavailable, match="'2002-01-01' is more than a step after the date"):
        forecasting_of(with_dates("date", days), tmp_path, level="window")


def test_irregular_missing_days_are_gaps(tmp_path: Path) -> None:
    days = list(pd.date_range("2020", periods=100).strftime("%Y-%m-%d"))
    for index in rng().choice(np.arange(1, 99, 2), size=12, replace=False):
        days[index] = ""
    with pytest.raises(Unavailable, match="is more than a step after the date before it"):
        forecasting_of(with_dates("date", [day for day in days if day]), tmp_path, level="window")


def market_hours() -> list[str]:
    """A year of trading hours, without some Mondays and a week of holidays."""
    days = [str(day.date()) for day in pd.bdate_range("2024-01-01", "2024-12-31")]
    closed = {"2024-01-15", "2024-05-27", "2024-12-25", *days[195:200]}
    return [f"{day} {hour}:30" for day in days if day not in closed for hour in range(10, 17)]


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("year", [str(1949 + k // 12) for k in range(30)]),
        ("month", [str(k % 12 + 1) for k in range(30)]),
        ("load", [str(2000 - k % 7) for k in range(30)]),
        ("hour", [str((k + 5) % 24) for k in range(24)]),
        ("hour", [str((k) % 24) for k in range(48)]),
        ("hour", [f"202001{k // 24 + 1:02}{k % 24:02}" for k in range(48)]),
        ("day", [str((k + 20) % 31 + 1) for k in range(30)]),
        ("day", [str((k + 183) % 365 + 1) for k in range(300)]),
        ("day", [f"{100 * (k // 28 + 1) + k % 28 + 1}" for k in range(100)]),
        ("week", [f"{2018 + k // 52}{k % 52 + 1:02}" for k in range(110)]),
        ("minute", [str(int(k * k / 3 + k)) for k in range(90)]),
        ("travel_time", [f"{20 + np.sin(k):.3f}" for k in range(100)]),
        ("response_time (ms)", [f"{20 + np.sin(k):.3f}" for k in range(100)]),
        ("sales_per_day", [f"{20 + np.sin(k):.3f}" for k in range(100)]),
        ("vehicle_year", [str(1990 + k * k % 31) for k in range(100)]),
        ("day_of_year", [str((k + 183) % 365 + 1) for k in range(300)]),
        ("date,hr", [f"202001{k // 24 + 1:02},{k % 24}" for k in range(60)]),
        ("date,time", [f"2020-01-01,{k * k // 60:02}:{k * k % 60:02}" for k in range(1, 36)]),
        (
            "date,shift,time",
            [f"2020-01-{k // 2 + 1:02},{k},{['am', 'pm'][k % 2]}" for k in range(40)],
        ),
        ("date,time", [f"2020-01-{k // 24 + 1:02},{k % 24 * 100}" for k in range(60)]),
        ("date,hour,minute", [f"2020-01-01,{k // 4},{k % 4 * 15}" for k in range(90)]),
        ("date,hour", [f"2020-01-{k // 24 + 1:02},{k % 24}" for k in range(60)]),
        ("date,time", [f"2020-01-{k // 24 + 1:02},{k % 24:02}:00" for k in range(60)]),
        ("year,month", [f"2020,{['Jan', 'Feb', 'Mar'][k % 3]}" for k in range(30)]),
        ("year,month", [f"{2000 + k // 12},{(k + 3) % 12 + 1}" for k in range(60)]),
        ("when", market_hours()),
        ("unix_time", [str(int(pd.Timestamp(when).timestamp())) for when in market_hours()]),
        ("week,quarter", [f"{k % 52 + 1},{k // 13 % 4 + 1}" for k in range(110)]),
        ("year,month", [f"2020,{k // 10 + 1}" for k in range(30)]),
        ("year,month", [f"{k // 6},{k % 6}" for k in range(30)]),
        ("weekday", ["Mon", "Tue", "Wed"] * 10),
        ("time", [f"{k % 24:02}:00" for k in range(30)]),
    ],
)
def test_columns_that_need_not_be_in_order_are_accepted(
    heading: str, cells: Sequence[str], tmp_path: Path
) -> None:
    forecasting_of(with_dates(heading, cells), tmp_path)
