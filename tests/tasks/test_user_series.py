"""A column of the user's own CSV file: how it is split, and what is refused."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from task_samples import rng
from user_file import GOOD, forecasting_of, good_except

from bench.spec import Array, Unavailable
from tasks.forecasting import Forecasting

REFUSED = {
    "a gap": (good_except(7, "2020-01-06,,5"), "line 7, column 'y': a gap"),
    "a gap in the only column": ("y\n1\n2\n\n" + "3\n" * 12, "line 4, column 'y': a gap"),
    "a quoted gap": ('y\n1\n2\n""\n' + "3\n" * 12, "line 4, column 'y': a gap"),
    "a line of gaps": (
        good_except(7, ",,"),
        "line 7, column 'when': an empty cell is not a date like",
    ),
    "text": (good_except(7, "2020-01-06,many,5"), "line 7, column 'y': 'many' is not a number"),
    "nan": (good_except(7, "2020-01-06,nan,5"), "line 7, column 'y': nan is not a finite number"),
    "one row": ("when,y\n2020-01-01,1\n", "column 'y': 1 row of values; at least 10"),
    "nothing": ("", "no column 'y'. It has: none"),
    "other columns": ("when,x\n" * 12, "no column 'y'. It has: when, x"),
    "constant": ("y\n" + "3\n" * 20, "column 'y': every value is 3"),
    "order": (
        good_except(9, "2020-01-01,1.0,5"),
        "line 9, column 'when': '2020-01-01' does not come",
    ),
    "twice": (
        good_except(9, "2020-01-07,1.0,5"),
        "line 9, column 'when': '2020-01-07' does not come",
    ),
    "no date": (good_except(9, "soon,1.0,5"), "line 9, column 'when': 'soon' is not a date like"),
    "too many cells": (
        good_except(9, "2020-01-08,1,2,3"),
        "line 9, after column 'z': 4 cells under 3 headings",
    ),
    "too few cells": (
        good_except(9, "2020-01-08,1"),
        "line 9, column 'z': 2 cells under 3 headings",
    ),
    "two columns": (good_except(1, "when,y,y"), "has two columns 'y'. It has: when, y, y"),
    "a day is missing": (
        good_except(9, ""),
        "line 10, column 'when': '2020-01-09' is more than a step after",
    ),
    "an empty date": (good_except(9, ",1,5"), "line 9, column 'when': an empty cell is not a date"),
    "a time zone": (
        good_except(9, "2020-01-08T00:00Z,1,5"),
        "line 9, column 'when': '2020-01-08T00",
    ),
    "separated thousands": (
        good_except(7, "2020-01-06,1_000,5"),
        "line 7, column 'y': '1_000' is not a number",
    ),
    "far too large": (
        good_except(7, "2020-01-06,1e300,5"),
        "line 7, column 'y': 1e300 is beyond 1e+15",
    ),
    "an open quote": (
        good_except(7, '2020-01-06,"1,5'),
        "line 7: not a row of a CSV file: unexpected",
    ),
    "an open quote at the top": (
        '"when,y\n1,2\n',
        "line 1: not a row of a CSV file: unexpected",
    ),
    "semicolons and decimal commas": ("t;y\n" + "1;2,5\n" * 12, "cells are separated by ';'"),
    "a gap in a part of a date": (
        "year,month,y\n"
        + "".join(f"2020,{k or ''},{k}\n" for k in [*range(1, 6), 0, *range(7, 13)]),
        "line 7, columns 'year', 'month': '2020 ' is not a complete date: a part of it is a gap",
    ),
    "an endless cell": (
        good_except(7, "2020-01-06,1," + "5" * 200_000),
        "line 7: not a row of a CSV",
    ),
    "decimal commas": (
        good_except(7, '2020-01-06,"1,5",5'),
        "'1,5' is not a number. Write a number such as 1234.5, without commas",
    ),
    "a decimal comma": ("y\n" + "1,5\n" * 12, "2 cells under 1 heading. Commas separate cells"),
    "bars": (GOOD.replace(",", "|"), "line 1: cells are separated by '|', not by commas"),
    "a long line": ("{" + '"a": 1, ' * 10_000 + "}", '"a": 1, "a" …'),
    "changes that cannot be squared": (
        "y\n" + "".join(f"{k}e-300\n" for k in range(12)),
        "column 'y': values differ by 1.1e-299, less than 1e-100. Use a smaller unit",
    ),
    "other separators": (
        GOOD.replace(",", ";"),
        "line 1: cells are separated by ';', not by commas",
    ),
    "no date at all": (
        "ds,y\n" + "soon,1\n" * 12,
        "line 2, column 'ds': 'soon' is not a date that",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_faulty_file_is_refused_with_its_line_and_column(fault: str, tmp_path: Path) -> None:
    text, message = REFUSED[fault]
    with pytest.raises(Unavailable) as error:
        forecasting_of(text, tmp_path)
    assert message in str(error.value) and "series.csv" in str(error.value)


def test_missing_binary_or_changed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no\.csv cannot be read: No such file"):
        Forecasting(series="csv", data=str(tmp_path / "no.csv"), column="y")
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(Unavailable, match=r"picture\.png is not a CSV file"):
        Forecasting(series="csv", data=str(picture), column="y")
    with pytest.raises(Unavailable, match="has changed since the run began"):
        forecasting_of(GOOD, tmp_path, digest="0" * 32)


def test_settings_of_a_file_go_with_a_file_alone() -> None:
    with pytest.raises(ValueError, match="--data FILE --column NAME"):
        Forecasting(series="csv")
    with pytest.raises(ValueError, match="data, column, digest and period go with series=csv"):
        Forecasting(column="y")


def test_file_is_split_and_forecast(tmp_path: Path) -> None:
    task = forecasting_of(GOOD, tmp_path, period=6)
    methods = {name for name in task.baselines if "." not in name}
    assert methods == {"persistence", "seasonal", "autoregression", "perceptron"}
    assert set(task.scores(*[task.evaluation(rng())[1]] * 2)) == {
        "nmse",
        *(name.removeprefix("seasonal.") for name in task.baselines if "seasonal." in name),
    }
    _, y = task.evaluation(rng())
    values = np.round(np.sin(np.arange(30)), 4)
    training = values[:24]
    np.testing.assert_allclose(y[:, 0], (values[24:] - training.mean()) / training.std())
    assert task.threshold < 1e-4, "a sine is an autoregression of order two"


def test_blank_lines_are_ignored(tmp_path: Path) -> None:
    texts = (GOOD, f"\n\n{GOOD}\n\n", GOOD.replace("\n", "\n\n"), f"{GOOD},,\n")
    columns = [
        forecasting_of(text, tmp_path / str(k))._series.values() for k, text in enumerate(texts)
    ]
    for column in columns:
        np.testing.assert_array_equal(column, columns[0])


def test_threshold_is_the_best_of_the_mean_and_the_linear_forecasts(tmp_path: Path) -> None:
    """An autoregression overfits noise, and the last value of a random walk is hard to beat."""
    worse = {"chance": 0, "persistence": 0}
    for seed in range(20):
        noise = rng(seed).normal(size=150)
        for series, best in ((noise, "chance"), (noise.cumsum(), "persistence")):
            text = "\n".join(["y", *map(str, series)])
            task = forecasting_of(text, tmp_path / f"{best} {seed}", length=20, order=9)
            linear = {method: scores["nmse"] for method, scores in task._linear_scores.items()}
            nmse = {"chance": task.chance} | linear
            assert task.threshold == min(nmse.values())
            worse[best] += nmse["autoregression"] > nmse[best]
    assert min(worse.values()) > 5


@pytest.mark.parametrize(("unit", "zero"), [(1e-14, 0), (1e12, 0), (1, 1e8)])
def test_forecasts_do_not_depend_on_unit_and_zero(unit: float, zero: float, tmp_path: Path) -> None:
    series = np.sin(np.arange(200) / 3) + 0.1 * rng().normal(size=200)
    plain, other = (
        forecasting_of("\n".join(["y", *map(repr, s.tolist())]), tmp_path / str(k), length=20)
        for k, s in enumerate((series, zero + unit * series))
    )
    assert other._linear_scores.keys() == plain._linear_scores.keys()
    for method, scores in plain._linear_scores.items():
        assert other._linear_scores[method]["nmse"] == pytest.approx(scores["nmse"], rel=1e-4)
    assert other.threshold == pytest.approx(plain.threshold, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 12}, "must be at most 12, not 4 + 12 + 1 − 1 = 16"),
        ({"horizon": 1000}, "has 30 values, 24 to train on and 6 to forecast"),
        ({"period": 13}, "period must be at most 12, not 13"),
        ({"ahead": 7}, "ahead must be at most 6, not 7"),
    ],
)
def test_settings_beyond_the_length_of_the_series_are_refused(
    settings: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        forecasting_of(GOOD, tmp_path, **settings)
    assert "series.csv, column 'y'" in str(error.value)


def test_test_part_that_never_changes_is_refused(tmp_path: Path) -> None:
    flat = "\n".join(["y", *(f"{np.sin(k)}" for k in range(24)), *["1.0"] * 6]) + "\n"
    with pytest.raises(ValueError, match=r"nothing to forecast in .*series\.csv, column 'y'"):
        forecasting_of(flat, tmp_path)


def test_seasonal_forecast_of_a_periodic_series_has_no_error(tmp_path: Path) -> None:
    text = "y\n" + "".join(f"{(k * k) % 6}\n" for k in range(60))
    baselines = forecasting_of(text, tmp_path, period=6).baselines
    assert baselines["seasonal"] == baselines["seasonal.rmse"] == 0
    assert baselines["persistence.mase"] == np.inf


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ([3.0] * 30 + [4.0], {}),
        (np.tile([1.0, 2.0, 5.0], 20), {"level": "window", "horizon": 3}),
    ],
)
def test_training_part_without_anything_to_learn_is_refused(
    values: Array, settings: Mapping[str, Any], tmp_path: Path
) -> None:
    text = "y\n" + "".join(f"{value}\n" for value in values)
    with pytest.raises(ValueError, match=r"nothing to learn from .*series\.csv, column 'y'"):
        forecasting_of(text, tmp_path, **{"order": 4, **settings})
