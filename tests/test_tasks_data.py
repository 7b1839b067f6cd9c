"""Tasks on data that ship in packages, and on the user's own: what they hold, how they are split,
and what is refused."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor

import tasks
from bench.spec import Array, Unavailable
from tasks import _data, _forecasts, _series, char_lm, forecasting
from tasks._forecasts import MOST_UNCHECKED, perceptron
from tasks.autoencoder import Autoencoder, components
from tasks.char_lm import CharLM
from tasks.classification import SETS, Classification, labelled
from tasks.forecasting import PERCEPTRONS, PROFILES, Forecasting, perceptrons


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# forecasting


@pytest.mark.parametrize("name", _series.SERIES)
def test_a_series_is_the_one_described_and_its_split_lies_within(name: str) -> None:
    series = _series.SERIES[name]
    found = _series.values(name)
    assert np.isfinite(found).all() and not found.flags.writeable
    assert 0 < series.train < series.end <= len(found)


RMSE = {
    ("airline", "persistence"): 50.3,
    ("airline", "seasonal"): 42.0,
    ("airline", "autoregression"): 15.6,
    ("co2", "persistence"): 0.513,
    ("co2", "seasonal"): 1.84,
    ("co2", "autoregression"): 0.401,
    ("demand", "persistence"): 905,
    ("demand", "seasonal"): 718,
    ("demand", "autoregression"): 314,
}
"""Worked out elsewhere, by other code."""


@pytest.mark.parametrize(("name", "method"), RMSE)
def test_classical_forecasts_have_the_errors_that_others_find(name: str, method: str) -> None:
    task = PROFILES[name]
    series = _series.values(name)[_series.SERIES[name].train : _series.SERIES[name].end]
    rmse = (task.baselines[method] * series.var()) ** 0.5
    assert rmse == pytest.approx(RMSE[name, method], rel=0.02)


@pytest.mark.parametrize("name", ["paper", "co2", "demand", "laser"])
def test_the_perceptron_on_a_window_stands_between_chance_and_what_is_right(name: str) -> None:
    task = PROFILES[name]
    assert 0 < task.baselines["perceptron"] < min(task.chance, task.baselines["persistence"])


@pytest.mark.parametrize("task", [PROFILES["standard"], PROFILES["airline"]])
def test_of_perceptrons_that_differ_in_their_seeds_the_middle_one_is_told(
    task: Forecasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Array] = []

    def kept(*arguments: Any) -> Array:
        drawn.append(perceptron(*arguments))
        return drawn[-1]

    monkeypatch.setattr(forecasting, "perceptron", kept)
    found = perceptrons.__wrapped__(task)
    _, y = task.evaluation(rng())
    errors = sorted(task.scores(made, y)["nmse"] for made in drawn)
    assert len(set(errors)) == PERCEPTRONS
    assert found["nmse"] == errors[PERCEPTRONS // 2] == task.baselines["perceptron"]
    assert {name: task.baselines[f"perceptron.{name}"] for name in found if name != "nmse"} == {
        name: value for name, value in found.items() if name != "nmse"
    }


def test_perceptrons_are_fitted_to_windows_of_the_training_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted: list[tuple[Array, Array]] = []
    fit = MLPRegressor.fit
    monkeypatch.setattr(
        MLPRegressor, "fit", lambda net, x, y: fitted.append((x, y)) or fit(net, x, y)
    )
    perceptrons.__wrapped__(Forecasting(length=20))
    assert len(fitted) == PERCEPTRONS
    part = _series.values("sunspots")[:221]
    scaled = (part - part.mean()) / part.std()
    for x, y in fitted:
        np.testing.assert_allclose(x, np.lib.stride_tricks.sliding_window_view(scaled, 20)[:-1])
        np.testing.assert_allclose(y, scaled[20:])


def test_of_a_short_series_the_perceptron_is_trained_on_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = rng().normal(size=(MOST_UNCHECKED, 6)), rng().normal(size=(MOST_UNCHECKED, 3))
    checked = perceptron(x, y, x, 0)
    monkeypatch.setattr(_forecasts, "MOST_UNCHECKED", MOST_UNCHECKED + 1)
    assert ((perceptron(x, y, x, 0) - y) ** 2).mean() < 0.9 * ((checked - y) ** 2).mean()


def test_without_scikit_learn_there_is_no_perceptron(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "find_spec", lambda _: None)
    assert methods(Forecasting()) == {"persistence", "seasonal", "autoregression"}


@pytest.mark.parametrize(("horizon", "ahead"), [(1, 1), (6, 1), (2, 3)])
@pytest.mark.parametrize("name", ["sunspots", "airline", "co2"])
def test_above_the_last_value_of_a_window_no_change_is_the_last_value(
    name: str, horizon: int, ahead: int
) -> None:
    task = Forecasting(series=name, horizon=horizon, ahead=ahead, length=9, level="window")
    x, y = task.evaluation(rng())
    assert (x[:, -1] == 0).all() and y.any()
    no_change = task.scores(np.zeros_like(y), y)["nmse"]
    assert no_change == pytest.approx(task.baselines["persistence"], rel=1e-9)
    fixed = replace(task, level="series")
    assert task.chance != no_change
    for method, scores in task._linear.items():
        assert scores == pytest.approx(fixed._linear[method])
    assert task.scores(y, y)["rmse"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("ahead", "horizon"), [(1, 1), (12, 1), (1, 6)])
def test_what_is_asked_for_above_a_window_has_unit_size(ahead: int, horizon: int) -> None:
    task = Forecasting(
        series="demand", level="window", ahead=ahead, horizon=horizon, length=24, batch=2000
    )
    assert np.mean(task.sample(rng())[1] ** 2) == pytest.approx(1, abs=0.1)


def test_what_lies_above_the_last_value_of_a_window_leaves_the_trend_behind() -> None:
    """Of series that grows, all that is held out lies beyond what was trained on, or nothing."""
    for level, beyond in (("series", True), ("window", False)):
        task = Forecasting(series="co2", length=52, level=level)
        most = max(task.sample(rng(seed))[1].max() for seed in range(50))
        assert (np.median(task.evaluation(rng())[1]) > most) == beyond


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["sunspots", "airline", "laser"]),
    horizon=st.integers(1, 6),
    ahead=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_many_steps_ahead_are_the_values_that_come(
    name: str, horizon: int, ahead: int, seed: int
) -> None:
    """Found where they stand in the series."""
    task = Forecasting(series=name, horizon=horizon, ahead=ahead, length=9)
    known = (task._series - task._training.mean()) / task._training.std()
    for (x, y), end in ((task.sample(rng(seed)), task._data.train), (task.evaluation(rng()), None)):
        assert x.shape[1:] == (9, 1) and y.shape[1:] == (ahead,)
        for window, wanted in zip(x[:5, :, 0], y[:5], strict=True):
            starts = [k for k in range(len(known) - 9) if (known[k : k + 9] == window).all()]
            firsts = [k + 9 + horizon - 1 for k in starts]
            assert any(
                (known[first : first + ahead] == wanted).all()
                for first in firsts
                if end is None or first + ahead <= end
            )


def test_a_window_is_the_same_past_as_channels_of_one_step() -> None:
    steps, window = Forecasting(), Forecasting(reads="window")
    (x, y), (channels, same) = steps.evaluation(rng()), window.evaluation(rng())
    np.testing.assert_array_equal(x[:, :, 0], channels[:, 0, :])
    np.testing.assert_array_equal(y, same)
    assert (window.inputs, window.time) == (20, 1)
    assert window.baselines == steps.baselines


def test_of_logarithms_the_scores_are_of_the_series_itself() -> None:
    task = PROFILES["airline"]
    _, y = task.evaluation(rng())
    steps = np.diff(task._training)[task.length - 1 :]
    forecast = np.log(1.1) / np.mean(steps**2) ** 0.5 + y
    passengers = _series.values("airline")[108:]
    assert task.scores(forecast, y)["rmse"] == pytest.approx(
        0.1 * np.mean(passengers**2) ** 0.5, rel=1e-9
    )
    naive = np.abs(passengers_before()[12:] - passengers_before()[:-12]).mean()
    assert task.scores(forecast, y)["mase"] == pytest.approx(0.1 * passengers.mean() / naive)


def passengers_before() -> Array:
    return _series.values("airline")[:108]


GOOD = "when,y,z\n" + "".join(f"2020-01-{k + 1:02},{np.sin(k):.4f},{k}\n" for k in range(30))


def methods(task: Forecasting) -> set[str]:
    return {name for name in task.baselines if "." not in name}


def own(text: str, folder: Path, column: str = "y", **settings: Any) -> Forecasting:
    folder.mkdir(exist_ok=True)
    file = folder / "series.csv"
    file.write_text(text)
    words = {"length": 4, "order": 2, **settings}
    return Forecasting(series="csv", data=str(file), column=column, **words)


def test_a_file_of_one_s_own_is_split_and_forecast(tmp_path: Path) -> None:
    task = own(GOOD, tmp_path, period=6)
    assert methods(task) == {"persistence", "seasonal", "autoregression", "perceptron"}
    assert set(task.scores(*[task.evaluation(rng())[1]] * 2)) == {
        "nmse",
        *(name.removeprefix("seasonal.") for name in task.baselines if "seasonal." in name),
    }
    _, y = task.evaluation(rng())
    values = np.round(np.sin(np.arange(30)), 4)
    trained = values[:24]
    np.testing.assert_allclose(y[:, 0], (values[24:] - trained.mean()) / trained.std())
    assert task.threshold < 1e-4, "a sine is an autoregression of order two"


@pytest.mark.parametrize("name", PROFILES)
def test_of_every_size_the_autoregression_is_the_best_linear_forecast(name: str) -> None:
    task = PROFILES[name]
    assert task.threshold == task._linear["autoregression"]["nmse"]


def test_half_a_day_ahead_the_week_before_says_more_of_demand_than_the_autoregression() -> None:
    task = replace(PROFILES["demand"], ahead=12)
    week, linear = (task._linear[name]["nmse"] for name in ("seasonal", "autoregression"))
    assert task.threshold == week < linear / 2


def test_blank_lines_around_and_between_rows_are_none(tmp_path: Path) -> None:
    texts = (GOOD, f"\n\n{GOOD}\n\n", GOOD.replace("\n", "\n\n"), f"{GOOD},,\n")
    found = [own(text, tmp_path / str(k))._series for k, text in enumerate(texts)]
    for series in found:
        np.testing.assert_array_equal(series, found[0])


def test_to_solve_a_series_of_noise_is_to_forecast_it_better_than_its_mean(tmp_path: Path) -> None:
    """An autoregression fits the noise that it was given; a walk's last value is hard to beat."""
    worse = {"chance": 0, "persistence": 0}
    for seed in range(20):
        noise = rng(seed).normal(size=150)
        for series, best in ((noise, "chance"), (noise.cumsum(), "persistence")):
            text = "\n".join(["y", *map(str, series)])
            task = own(text, tmp_path / f"{best} {seed}", length=20, order=9)
            known = {"chance": task.chance} | {k: of["nmse"] for k, of in task._linear.items()}
            assert task.threshold == min(known.values())
            worse[best] += known["autoregression"] > known[best]
    assert min(worse.values()) > 5


@pytest.mark.parametrize(("unit", "zero"), [(1e-14, 0), (1e12, 0), (1, 1e8)])
def test_a_forecast_is_as_good_in_every_unit(unit: float, zero: float, tmp_path: Path) -> None:
    series = np.sin(np.arange(200) / 3) + 0.1 * rng().normal(size=200)
    plain, other = (
        own("\n".join(["y", *map(repr, of.tolist())]), tmp_path / str(k), length=20)
        for k, of in enumerate((series, zero + unit * series))
    )
    assert other._linear.keys() == plain._linear.keys()
    for method, scores in plain._linear.items():
        assert other._linear[method]["nmse"] == pytest.approx(scores["nmse"], rel=1e-4)
    assert other.threshold == pytest.approx(plain.threshold, rel=1e-4)


def changed(line: int, text: str) -> str:
    lines = GOOD.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


REFUSED = {
    "a gap": (changed(7, "2020-01-06,,5"), "line 7, column 'y': a gap"),
    "a gap in the only column": ("y\n1\n2\n\n" + "3\n" * 12, "line 4, column 'y': a gap"),
    "a quoted one": ('y\n1\n2\n""\n' + "3\n" * 12, "line 4, column 'y': a gap"),
    "a line of gaps": (changed(7, ",,"), "line 7, column 'when': a gap is no date"),
    "text": (changed(7, "2020-01-06,many,5"), "line 7, column 'y': 'many' is no number"),
    "nan": (changed(7, "2020-01-06,nan,5"), "line 7, column 'y': nan is no finite number"),
    "one row": ("when,y\n2020-01-01,1\n", "column 'y': 1 row of values; at least 10"),
    "nothing": ("", "no column 'y'. It has: none"),
    "other columns": ("when,x\n" * 12, "no column 'y'. It has: when, x"),
    "constant": ("y\n" + "3\n" * 20, "column 'y': every value is 3"),
    "order": (changed(9, "2020-01-01,1.0,5"), "line 9, column 'when': '2020-01-01' does not come"),
    "twice": (changed(9, "2020-01-07,1.0,5"), "line 9, column 'when': '2020-01-07' does not come"),
    "no date": (changed(9, "soon,1.0,5"), "line 9, column 'when': 'soon' is no date"),
    "too many cells": (
        changed(9, "2020-01-08,1,2,3"),
        "line 9, after column 'z': 4 cells under 3 headings",
    ),
    "too few cells": (changed(9, "2020-01-08,1"), "line 9, column 'z': 2 cells under 3 headings"),
    "two columns": (changed(1, "when,y,y"), "has two columns 'y'. It has: when, y, y"),
    "a day is missing": (changed(9, ""), "line 10, column 'when': '2020-01-09' comes more than a"),
    "an empty date": (changed(9, ",1,5"), "line 9, column 'when': a gap is no date"),
    "a time zone": (changed(9, "2020-01-08T00:00Z,1,5"), "line 9, column 'when': '2020-01-08T00"),
    "a thousand apart": (
        changed(7, "2020-01-06,1_000,5"),
        "line 7, column 'y': '1_000' is no number",
    ),
    "far too large": (
        changed(7, "2020-01-06,1e300,5"),
        "line 7, column 'y': 1e300 is beyond 1e+15",
    ),
    "an open quote": (changed(7, '2020-01-06,"1,5'), "line 7: no row of a CSV file: unexpected"),
    "an open quote at the top": ('"when,y\n1,2\n', "line 1: no row of a CSV file: unexpected"),
    "semicolons and decimal commas": ("t;y\n" + "1;2,5\n" * 12, "cells are parted by ';'"),
    "a gap in a part of a date": (
        "year,month,y\n"
        + "".join(f"2020,{k or ''},{k}\n" for k in [*range(1, 6), 0, *range(7, 13)]),
        "line 7, columns 'year', 'month': '2020 ' is no date: a part of it is a gap",
    ),
    "an endless cell": (changed(7, "2020-01-06,1," + "5" * 200_000), "line 7: no row of a CSV"),
    "decimal commas": (
        changed(7, '2020-01-06,"1,5",5'),
        "'1,5' is no number: no commas within numbers",
    ),
    "a decimal comma": ("y\n" + "1,5\n" * 12, "2 cells under 1 heading. Commas part cells"),
    "bars": (GOOD.replace(",", "|"), "line 1: cells are parted by '|', not by commas"),
    "a long line": ("{" + '"a": 1, ' * 10_000 + "}", '"a": 1, "a" …'),
    "changes that cannot be squared": (
        "y\n" + "".join(f"{k}e-300\n" for k in range(12)),
        "column 'y': values differ by 1.1e-299, less than 1e-100. Take a smaller unit",
    ),
    "other marks": (GOOD.replace(",", ";"), "line 1: cells are parted by ';', not by commas"),
    "no date at all": ("ds,y\n" + "soon,1\n" * 12, "line 2, column 'ds': 'soon' is no date that"),
}
ORDERS = {
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
    "seconds since then": ("epoch", [str(1_600_000_000 + k) for k in range(30)]),
    "nanoseconds": ("time_ns", [str(1_600_000_000_000_000_000 + 10**9 * k) for k in range(30)]),
    "seconds in parentheses": ("time (s)", [f"{k / 10}" for k in range(30)]),
    "milliseconds": ("unix_ms", [str(1_600_000_000_000 + 60_000 * k) for k in range(30)]),
    "a year and its months": ("year,month", [f"{2020 + k // 12},{k % 12 + 1}" for k in range(30)]),
    "hours of days": (
        "Year,Month,Day,Hour",
        [f"2020,2,{k // 24 + 1},{k % 24}" for k in range(30)],
    ),
    "days of business": ("date", list(pd.bdate_range("2020", periods=30).strftime("%Y-%m-%d"))),
}


def dated(heading: str, dates: Sequence[str]) -> str:
    rows = (f"{when},{np.sin(k):.4f}" for k, when in enumerate(dates))
    return "\n".join((f"{heading},y", *rows)) + "\n"


def quoted(heading: str) -> str:
    """As a pattern."""
    return re.escape(", ".join(map(repr, heading.split(","))))


@pytest.mark.parametrize("form", ORDERS)
def test_dates_of_every_form_must_be_in_order(form: str, tmp_path: Path) -> None:
    heading, dates = ORDERS[form]
    own(dated(heading, dates), tmp_path, level="window")
    dates = [*dates[:20], dates[21], dates[20], *dates[22:]]
    with pytest.raises(
        Unavailable, match=rf"line 23, columns? {quoted(heading)}: .* not come after"
    ):
        own(dated(heading, dates), tmp_path / "again", level="window")


@pytest.mark.parametrize("form", sorted({*ORDERS} - {"decimal years", "days of business"}))
def test_a_time_that_is_missing_is_a_gap(form: str, tmp_path: Path) -> None:
    heading, dates = ORDERS[form]
    own(dated(heading, dates), tmp_path, level="window")
    with pytest.raises(Unavailable, match=rf"line 14, columns? {quoted(heading)}: .* a gap"):
        own(dated(heading, dates[:12] + dates[13:]), tmp_path / "again", level="window")


def test_hours_beside_a_date_are_looked_at_too(tmp_path: Path) -> None:
    for heading, form in (("date,hour", "{}"), ("date,time", "{:02}:00"), ("Date,Hr", "{}")):
        rows = [f"2020-01-{k // 24 + 1:02},{form.format(k % 24)}" for k in range(100)]
        rows = [row.replace("-", "") for row in rows] if heading == "Date,Hr" else rows
        own(dated(heading, rows), tmp_path / heading, level="window")
        column = rf"columns {quoted(heading)}: "
        for fault, changed in (
            (rf"line 32, {column}.* a gap", rows[:30] + rows[31:]),
            (rf"line 32, {column}.* not come after", [*rows[:30], rows[29], *rows[30:]]),
            (rf"line 33, {column}.* not come after", [*rows[:30], rows[31], rows[30], *rows[32:]]),
            (rf"line 26, {column}.* a gap", rows[:24] + rows[48:]),
        ):
            with pytest.raises(Unavailable, match=fault):
                own(dated(heading, changed), tmp_path / f"{heading}{hash(fault)}", level="window")


def test_weeks_without_days_of_business_are_a_gap(tmp_path: Path) -> None:
    days = list(pd.bdate_range("2000", "2003").strftime("%Y-%m-%d"))
    own(dated("date", days[:200] + days[206:]), tmp_path, level="window")
    with pytest.raises(Unavailable, match="comes more than a step after the date"):
        own(dated("date", days[:200] + days[211:]), tmp_path / "again", level="window")


def test_a_year_without_days_of_business_is_a_gap(tmp_path: Path) -> None:
    days = [d for d in pd.bdate_range("2000", "2003").strftime("%Y-%m-%d") if d[:4] != "2001"]
    with pytest.raises(Unavailable, match="'2002-01-01' comes more than a step after the date"):
        own(dated("date", days), tmp_path, level="window")


def test_days_that_are_missing_here_and_there_are_no_weekends(tmp_path: Path) -> None:
    days = list(pd.date_range("2020", periods=100).strftime("%Y-%m-%d"))
    for place in rng().choice(np.arange(1, 99, 2), size=12, replace=False):
        days[place] = ""
    with pytest.raises(Unavailable, match="comes more than a step after the date before it"):
        own(dated("date", [day for day in days if day]), tmp_path, level="window")


def market_hours() -> list[str]:
    """A year of them, without Mondays and a week that were holidays."""
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
def test_what_need_not_go_forwards_may_stand_beside_a_series(
    heading: str, cells: Sequence[str], tmp_path: Path
) -> None:
    own(dated(heading, cells), tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 12}, "must be at most 12, not 4 + 12 + 1 − 1 = 16"),
        ({"horizon": 1000}, "has 30 values, 24 to train on and 6 to forecast"),
        ({"period": 13}, "period must be at most 12, not 13"),
        ({"ahead": 7}, "ahead must be at most 6, not 7"),
    ],
)
def test_a_horizon_or_a_period_longer_than_the_series_is_refused_with_the_file(
    settings: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        own(GOOD, tmp_path, **settings)
    assert "series.csv, column 'y'" in str(error.value)


def test_the_values_to_forecast_must_change(tmp_path: Path) -> None:
    flat = "\n".join(["y", *(f"{np.sin(k)}" for k in range(24)), *["1.0"] * 6]) + "\n"
    with pytest.raises(ValueError, match=r"nothing to forecast: the part of .*column 'y'"):
        own(flat, tmp_path)


def test_of_a_series_that_repeats_itself_the_seasonal_forecast_is_never_wrong(
    tmp_path: Path,
) -> None:
    task = own("y\n" + "".join(f"{(k * k) % 6}\n" for k in range(60)), tmp_path, period=6)
    baselines = task.baselines
    assert baselines["seasonal"] == baselines["seasonal.rmse"] == 0
    assert baselines["persistence.mase"] == np.inf


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ([3.0] * 30 + [4.0], {}),
        (np.tile([1.0, 2.0, 5.0], 20), {"level": "window", "horizon": 3}),
    ],
)
def test_a_series_of_which_nothing_can_be_learned_is_refused(
    values: Array, settings: Mapping[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("y\n" + "".join(f"{value}\n" for value in values))
    sizes = {"series": "csv", "data": str(file), "column": "y", "length": 4, "order": 4}
    with pytest.raises(ValueError, match=r"nothing to learn: the part of .*mine\.csv, column 'y'"):
        Forecasting(**{**sizes, **settings})


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_wrong_with_a_file_is_said_with_row_and_column(fault: str, tmp_path: Path) -> None:
    text, message = REFUSED[fault]
    with pytest.raises(Unavailable) as error:
        own(text, tmp_path)
    assert message in str(error.value) and "series.csv" in str(error.value)


def test_a_file_that_is_not_there_or_is_another_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no\.csv cannot be read: No such file"):
        Forecasting(series="csv", data=str(tmp_path / "no.csv"), column="y")
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(Unavailable, match=r"picture\.png is no CSV file"):
        Forecasting(series="csv", data=str(picture), column="y")
    with pytest.raises(Unavailable, match="has changed since the run was begun"):
        own(GOOD, tmp_path, digest="0" * 32)
    with pytest.raises(ValueError, match="--data FILE --column NAME"):
        Forecasting(series="csv")
    with pytest.raises(ValueError, match="data, column, digest and period go with series=csv"):
        Forecasting(column="y")


# classification


SHAPES = {
    "mnist1d": (4000, 1000, 40, 1),
    "digits": (1438, 359, 64, 1),
    "vowels": (270, 370, 29, 12),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_sequences_that_it_says(name: str) -> None:
    trained, held_out = labelled(name)
    assert (len(trained.y), len(held_out.y), *trained.x.shape[1:]) == SHAPES[name]
    assert set(trained.y) == set(held_out.y) == set(range(SETS[name].classes))
    assert not any(a.flags.writeable for a in (trained.x, held_out.y))
    task = Classification(data=name, batch=32)
    x, y = task.sample(rng())
    asked = y >= 0
    assert (asked.sum(axis=1) == 1).all()
    for row, sequence in zip(y, x, strict=True):
        end = int(np.argmax(row >= 0))
        assert not sequence[end + 1 :].any(), "nothing comes after the end"


def test_the_vowels_are_of_seven_to_twenty_nine_steps() -> None:
    ends = np.concatenate([part.end for part in labelled("vowels")]) + 1
    assert (ends.min(), ends.max()) == (7, 29)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_scaled_by_what_is_trained_on_alone(name: str) -> None:
    shown = [part.x[np.arange(part.x.shape[1]) <= part.end[:, None]] for part in labelled(name)]
    means, spreads = ([f(x, axis=0) for x in shown] for f in (np.mean, np.std))
    np.testing.assert_allclose(means[0], 0, atol=1e-9)
    np.testing.assert_allclose(spreads[0], 1)
    assert np.abs(means[1]).max() > 1e-3


@pytest.mark.parametrize("name", SETS)
def test_the_nearest_neighbour_is_that_of_scikit_learn(name: str) -> None:
    (x, labels), (asked, right) = ((p.x.reshape(len(p.x), -1), p.y) for p in labelled(name))
    found = KNeighborsClassifier(1).fit(x, labels).predict(asked)
    assert Classification(data=name).baselines["nearest neighbour"] == np.mean(found != right)


@pytest.mark.parametrize("name", SETS)
def test_what_a_class_scores(name: str) -> None:
    task = Classification(data=name)
    _, y = task.evaluation(rng())
    right = np.eye(task.outputs)[np.maximum(y, 0)]
    assert task.scores(right, y)["error"] == 0
    assert task.scores(-right, y)["error"] == 1
    common = np.bincount(y[y >= 0]).argmax()
    always = np.broadcast_to(np.eye(task.outputs)[common], right.shape)
    assert task.scores(always, y)["error"] == pytest.approx(task.chance)
    assert 0 < task.baselines["nearest neighbour"] < task.chance


def test_making_a_set_leaves_the_random_numbers_of_others_alone() -> None:
    import random

    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    SETS["mnist1d"].read()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


# text


def test_a_bigram_model_has_the_bits_of_its_definition() -> None:
    """By a dictionary, letter by letter."""
    text, train, first, end = char_lm.text(), 3000, 1_400_000, 1_400_400
    single = Counter(text[:train])
    pairs: dict[str, Counter[str]] = {}
    for before, now in pairwise(text[:train]):
        pairs.setdefault(before, Counter())[now] += 1
    spent = 0.0
    for k in range(first, end):
        kinds = len(single)
        p = (single[text[k]] + kinds / len(char_lm.alphabet())) / (train + kinds)
        if followers := pairs.get(text[k - 1]):
            p = (followers[text[k]] + len(followers) * p) / (followers.total() + len(followers))
        spent -= np.log2(p)
    assert char_lm.bits(2, train, first, end) == pytest.approx(spent / (end - first), rel=1e-9)


def test_more_context_is_fewer_bits() -> None:
    task = CharLM()
    found = list(task.baselines.values())
    assert found == sorted(found, reverse=True)
    assert task.chance == found[0] and task.threshold == found[2]


def test_the_next_characters_are_asked_for_and_held_out_ones_once() -> None:
    task = CharLM(length=20, held_out=50, train=5000)
    x, y = task.sample(rng())
    read = x.argmax(axis=-1)
    np.testing.assert_array_equal(read[:, 1:], y[:, :-1])
    _, asked = task.evaluation(rng())
    symbols = asked[asked >= 0]
    start = char_lm.HELD_OUT_FROM + 11
    np.testing.assert_array_equal(symbols, char_lm.numbers()[start : start + 500])
    uniform = np.zeros((*asked.shape, task.outputs))
    assert task.scores(uniform, asked)["bits"] == pytest.approx(np.log2(task.outputs))


def test_characters_to_learn_from_lie_in_the_training_part() -> None:
    task = CharLM(length=20, batch=8000, train=1000)
    known = np.lib.stride_tricks.sliding_window_view(char_lm.numbers()[:1000], 21)
    x, y = task.sample(rng())
    drawn = np.column_stack((x.argmax(axis=-1), y[:, -1]))
    found = {tuple(row) for row in drawn}
    assert tuple(known[-1]) in found <= {tuple(row) for row in known}


@pytest.mark.parametrize("wrong", [{"held_out": 10**6}, {"train": 1_450_000}, {"length": 1}])
def test_a_text_has_an_end(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CharLM(**wrong)


# autoencoder


def test_principal_components_rebuild_all_when_there_are_as_many_as_pixels() -> None:
    assert components(64) == pytest.approx(0, abs=1e-20)
    assert 0 < components(16) < components(4) < components(0) == Autoencoder().chance


def test_rows_are_asked_for_from_the_last_to_the_first() -> None:
    task = Autoencoder()
    x, y = task.sample(rng())
    np.testing.assert_array_equal(x[:, ::-1], y)
    assert task.scores(y, y)["mse"] == 0
    mean = labelled("digits")[0].x.reshape(-1, 8, 8).mean(axis=0)
    _, held_out = task.evaluation(rng())
    always = np.broadcast_to(mean[::-1], held_out.shape)
    assert task.scores(always, held_out)["mse"] == pytest.approx(task.chance)


# packages


@pytest.mark.parametrize("name", ["classification", "char-lm", "autoencoder", "forecasting"])
def test_without_its_package_a_task_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = tasks.load(name).PROFILES["standard"]
    assert task.unavailable() is None
    monkeypatch.setattr(_data, "find_spec", lambda module: None)
    assert "pip install" in task.unavailable()


def test_other_data_than_described_are_refused() -> None:
    with pytest.raises(Unavailable, match="not the one described: its sha256 is"):
        _data.checked("it", "0" * 64, np.zeros(3))
