"""Rows in the order of time: spacing, gaps and how they are filled, repeats and several series."""

import re
from pathlib import Path

import numpy as np
import pytest
from user_file import dates, forecasting_of, panel, with_times, without

from bench.spec import Unavailable
from tasks._series.user_series import read_user_series

SPACINGS = {
    "MS": "months", "ME": "months", "BME": "months", "BMS": "months", "QS": "quarters",
    "QE": "quarters", "YS": "years", "YE": "years", "W-WED": "weeks", "D": "days",
    "B": "business days", "h": "hours", "15min": "steps of 15 minutes", "s": "seconds",
    "2W": "steps of 2 weeks",
}  # fmt: skip
MID_MONTH = [f"{2018 + k // 12}-{k % 12 + 1:02}-15" for k in range(40)]
IN_ORDER = "leave out --time to take the rows in order"


@pytest.mark.parametrize("frequency", [*SPACINGS, "mid-month"])
def test_gaps_are_counted_by_the_spacing_of_the_others_and_filled(
    frequency: str, tmp_path: Path
) -> None:
    spacing = SPACINGS.get(frequency, "months")
    times = dates(frequency, "%Y-%m-%d %H:%M:%S") if frequency in SPACINGS else MID_MONTH
    whole = forecasting_of(with_times(times), tmp_path, time_column="t")
    assert f"40 values in {spacing}, by" in whole.notes[0]
    text = with_times(without(times, 7, 8, 20))
    with pytest.raises(Unavailable) as error:
        forecasting_of(text, tmp_path, time_column="t")
    gaps = f"3 missing: 2 before line 9 ({times[9]!r}), 1 before line 20 ({times[21]!r})"
    assert f"times in {spacing}, {gaps}" in str(error.value)
    task = forecasting_of(text, tmp_path, time_column="t", fill="forward")
    assert "40 values" in task.notes[0]
    assert "3 filled (--fill forward): 3 in gaps, 0 without a value" in task.notes[0]
    filled, unfilled = (read_user_series(t.file) for t in (task, whole))
    apart = np.abs(filled.times["unix_time"] - unfilled.times["unix_time"])
    np.testing.assert_allclose(np.delete(apart, [7, 8, 20]), 0, atol=1e-3)
    assert apart.max() < 4 * 86400


def test_values_are_filled_forward_or_on_a_line(tmp_path: Path) -> None:
    rows = [(k, "" if k in (4, 5) else k * k) for k in range(20) if k != 9]
    text = "t,y\n" + "".join(f"{1990 + k},{value}\n" for k, value in rows)
    settings = {"time_column": "t"}
    with pytest.raises(Unavailable) as error:
        forecasting_of(text, tmp_path, **settings)
    for told in (
        "2 problems",
        "1 missing: 1 before line 11",
        "2 rows, lines 6 (''), 7 (''): no value",
    ):
        assert told in str(error.value)
    for fill, expected in (("forward", (9, 9, 64)), ("linear", (18, 27, 82))):
        task = forecasting_of(text, tmp_path, fill=fill, **settings)
        values = task._series.values()
        np.testing.assert_allclose(values[[4, 5, 9]], expected)
        np.testing.assert_array_equal(values[[3, 6, 8, 10, 19]], [9, 36, 64, 100, 361])
        assert f"3 filled (--fill {fill}): 1 in gaps, 2 without a value" in task.notes[0]


@pytest.mark.parametrize("fill", ["forward", "linear"])
def test_a_fill_that_does_not_reach_the_start_is_refused(fill: str, tmp_path: Path) -> None:
    text = "y\n\n" + "".join(f"{k % 7}\n" for k in range(20)) + "\n3\n"
    text = text.replace("y\n\n", "y\nNA\n")
    with pytest.raises(Unavailable, match="values at the start or the end are missing"):
        forecasting_of(text, tmp_path, fill=fill)


def test_rows_are_sorted_by_time_and_it_is_said(tmp_path: Path) -> None:
    forwards, backwards = (
        forecasting_of("t,y\n" + "".join(rows), tmp_path / name, time_column="t")
        for name, rows in (
            ("a", [f"{1990 + k},{k * k}\n" for k in range(20)]),
            ("b", [f"{1990 + k},{k * k}\n" for k in reversed(range(20))]),
        )
    )
    np.testing.assert_array_equal(forwards._series.values(), backwards._series.values())
    assert backwards.notes[0].endswith("rows sorted by time")
    assert "rows sorted" not in forwards.notes[0]


def test_without_a_column_of_times_rows_are_in_order_and_it_is_said(tmp_path: Path) -> None:
    task = forecasting_of(with_times(dates("D", "%Y-%m-%d")), tmp_path)
    assert task.notes[0].endswith("40 values in the order of the rows: no column of times (--time)")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2018-01-01", "2018-01-02", "2018-01-09", "2018-03-01", *dates("7D", "%Y-%m-%d", 9,
          "2019-02-03"), "2020-05-05", "2020-05-06", "2021-05-06"], "times are not evenly spaced"),
        ([*dates("D", "%Y-%m-%d", 20), "2918-01-21"], "328718 missing: 328718 before line 22"),
        ([*dates("D", "%Y-%m-%d", 20), "2018-01-21 05:00"],
         "line 22 ('2018-01-21 05:00'), no whole number of steps after the row before, in days"),
        (dates("SME", "%Y-%m-%d"), "not evenly spaced"),
        (["1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "1024"], "not evenly spaced"),
    ],
)  # fmt: skip
def test_uneven_times_are_refused_with_the_way_out(
    times: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=re.escape(message)) as error:
        forecasting_of(with_times(times), tmp_path, time_column="t")
    assert IN_ORDER in str(error.value)


@pytest.mark.parametrize("days", [28, 29, 30])
def test_steps_of_almost_a_month_are_no_months(days: int, tmp_path: Path) -> None:
    times = without(dates(f"{days}D", "%Y-%m-%d", 14, "2024-01-01"), 1)
    with pytest.raises(Unavailable, match="1 missing"):
        forecasting_of(with_times(times), tmp_path, time_column="t")


@pytest.mark.parametrize("frequency", ["MS", "ME", "BME", "BMS", "WOM-3FRI", "QE", "YS-APR"])
def test_dates_at_one_place_of_their_months_are_even(frequency: str, tmp_path: Path) -> None:
    text = with_times(dates(frequency, "%Y-%m-%d"))
    assert "missing" not in " ".join(forecasting_of(text, tmp_path, time_column="t").notes)


def test_holidays_are_gaps_between_business_days(tmp_path: Path) -> None:
    days = dates("B", "%Y-%m-%d", 80)
    text = with_times([day for day in days if day not in ("2018-01-15", "2018-02-19")])
    with pytest.raises(Unavailable, match="times in business days, 2 missing"):
        forecasting_of(text, tmp_path, time_column="t")


def test_more_missing_than_there_is_is_not_filled(tmp_path: Path) -> None:
    times = [*dates("D", "%Y-%m-%d", 20), *dates("D", "%Y-%m-%d", 20, "2018-06-01")]
    with pytest.raises(Unavailable, match="More is missing than is there"):
        forecasting_of(with_times(times), tmp_path, time_column="t", fill="linear")


YEARS = [str(year) for year in range(1990, 2020)]


@pytest.mark.parametrize(
    ("text", "choice", "where"),
    [
        (panel(YEARS, country=["DE", "FR", "IT"]),
         "--where country=DE ('country' is DE, FR, IT)", "country=FR"),
        (panel(YEARS, c=["A", "B"], sex=["f", "m"]),
         "--where c=A ('c' is A, B)", "c=B,sex=f"),
        (panel(YEARS, country=["Korea, Rep.", "US"]),
         "--where 'country=Korea, Rep.' ('country' is Korea, Rep., US)",
         '"country=Korea, Rep."'),
        (panel(YEARS, state=[f"s{k}" for k in range(20)]),
         "'state' is s0, s1, s2, …", "state=s7"),
    ],
)  # fmt: skip
def test_several_series_are_refused_with_the_condition_that_chooses_one(
    text: str, choice: str, where: str, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable) as error:
        forecasting_of(text, tmp_path, time_column="t")
    message = str(error.value)
    assert "more than one row at 1990" in message and "Several series?" in message
    assert choice in message
    task = forecasting_of(text, tmp_path, time_column="t", where=where)
    assert "30 values in steps of 1" in task.notes[0]


def test_series_told_apart_by_two_columns_are_chosen_one_after_the_other(tmp_path: Path) -> None:
    text = panel(YEARS, c=["A", "B"], sex=["f", "m"])
    with pytest.raises(Unavailable, match=r"--where sex=f \('sex' is f, m\)"):
        forecasting_of(text, tmp_path, time_column="t", where="c=B")


def test_series_below_each_other_are_refused_too(tmp_path: Path) -> None:
    rows = [f"{name},{time},{k % 7}" for name in "AB" for k, time in enumerate(YEARS)]
    with pytest.raises(Unavailable, match="--where unique_id=A"):
        forecasting_of("unique_id,t,y\n" + "\n".join(rows), tmp_path, time_column="t")


def test_a_time_that_comes_twice_is_told_with_the_gaps(tmp_path: Path) -> None:
    times = [str(1_600_000_000 + 60 * k) for k in range(100)]
    times = [*times[:50], times[49], *times[50:70], *times[80:]]
    with pytest.raises(Unavailable) as error:
        forecasting_of(with_times(times), tmp_path, time_column="t")
    assert "2 problems" in str(error.value) and "Several series" not in str(error.value)
    assert f"more than one row at {times[49]}: again in line 52" in str(error.value)
    assert "times in steps of 60, 10 missing: 10 before line 73" in str(error.value)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("continent=EU", "has no column 'continent'"),
        ("country=XX", "no row has 'XX' in column 'country'. It has: DE, FR"),
        ("country", "no row has '' in column 'country'"),
    ],
)
def test_a_wrong_condition_is_refused(where: str, message: str, tmp_path: Path) -> None:
    text = panel(YEARS, country=["DE", "FR"])
    with pytest.raises(Unavailable, match=re.escape(message)):
        forecasting_of(text, tmp_path, time_column="t", where=where)
