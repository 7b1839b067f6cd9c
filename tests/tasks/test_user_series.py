"""A column of the user's own CSV file: how it is split, and what is refused."""

import gzip
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from task_samples import rng
from user_file import GOOD, forecasting_of, good_except

from bench.spec import Array, Unavailable
from tasks.forecasting import Forecasting

HEADINGS = "Its columns, named by line 1:\n  when: 2020-01-01, 2020-01-02, 2020-01-03, …\n  y: "
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "a gap": (
        good_except(7, "2020-01-06,,5"),
        "line 7 (''): no value. Fill missing values with --fill",
    ),
    "a gap in the only column": ("y\n1\n2\n\n" + "3\n" * 12, "line 4 (''): no value"),
    "a quoted gap": ('y\n1\n2\n""\n' + "3\n" * 12, "line 4 (''): no value"),
    "a line of gaps": (good_except(7, ",,"), "line 7 (''): no value"),
    "too few cells": (good_except(9, "2020-01-08"), "line 9 (''): no value"),
    "words for no value": (
        good_except(7, "2020-01-06,nan,5").replace("2020-01-09,0.9894", "2020-01-09,N/A"),
        "2 rows, lines 7 ('nan'), 10 ('N/A'): no value",
    ),
    "a code": (
        good_except(7, "2020-01-06,-9.99,5"),
        "line 7 ('-9.99'): this looks like a code for a missing value. If",
    ),
    "a code among positive values": (
        "y\n" + "".join(f"{-999 if k == 8 else 9000 * k}\n" for k in range(30)),
        "line 10 ('-999'): this looks like a code",
    ),
    "a large code": (good_except(7, "2020-01-06,999.9,5"), "line 7 ('999.9'): this looks like a"),
    "text": (good_except(7, "2020-01-06,many,5"), "line 7 ('many'): no number"),
    "infinity": (good_except(7, "2020-01-06,inf,5"), "line 7 ('inf'): no number. Write numbers"),
    "one row": ("when,y\n2020-01-01,1\n", "column 'y': only 1 of at least 10 rows"),
    "nothing": ("", "is empty"),
    "blank lines": ("\n \n\n", "is empty"),
    "blank lines first": (f"\n\n{GOOD}", "begins with an empty line: it needs headings in line 1"),
    "blank lines between": (
        GOOD.replace("\n", "\n\n"),
        "lines 2 (''), 4 (''), 6 (''), 8 (''), …: no",
    ),
    "headings alone": ("when,y\n", "has no rows below its headings"),
    "other columns": (
        "when,x\n" * 12,
        "has no column 'y'. Its columns, named by line 1:\n  when: when\n  x: x",
    ),
    "other letters": (GOOD.replace("y", "Y"), "…\n  Y: 0.0000, 0.8415, 0.9093, …\n  z: "),
    "too many cells": (good_except(9, "2020-01-08,1,2,3"), "line 9: 4 cells, but line 1, which is"),
    "two columns": (good_except(1, "when,y,y"), "has 2 columns 'y': rename. Its"),
    "separated thousands": (good_except(7, "2020-01-06,1_000,5"), "line 7 ('1_000'): no number"),
    "thousands with commas": (good_except(7, '2020-01-06,"1,000.5",5'), "('1,000.5'): no number"),
    "thousands with points": (
        "y\n" + "950\n" * 12 + "1.050\n",
        "line 14 ('1.050'): is this mark between thousands?",
    ),
    "far too large": (good_except(7, "2020-01-06,1e300,5"), "line 7 ('1e300'): no number"),
    "an open quote": (good_except(7, '2020-01-06,"1,5'), "line 7: a quotation mark is never"),
    "an open quote at the top": ('"when,y\n1,2\n', "line 1: a quotation mark is never closed"),
    "an endless cell": (good_except(7, "2020-01-06,1," + "5" * 200_000 + ",6"), "line 7: 4 cells"),
    "decimal commas": (
        good_except(7, '2020-01-06,"1,5",5'),
        "line 7 ('1,5'): no number. Write numbers up to 1e+15 with the decimal mark '.' (see "
        "--decimal), without a mark between thousands",
    ),
    "semicolons and decimal commas": (
        "t;y\n" + "1;2,5\n" * 12,
        "Name the mark between cells by --sep",
    ),
    "other separators": (GOOD.replace(",", ";"), "(if ';' is between cells, give --separator ';')"),
    "bars": (GOOD.replace(",", "|"), "(if '|' is between cells, give --separator '|')"),
    "tabs": (GOOD.replace(",", "\t"), r"is between cells, give --separator '\t')"),
    "a long line": ("{" + '"a": 1, ' * 1_000 + "}\n1", "has no column 'y'"),
    "a comment": (
        f"# about\n{GOOD}",
        "line 2: 3 cells, but line 1, which is taken for the headings, has 1. Name the mark "
        "between cells by --separator, put text that holds it into quotes, and delete lines above",
    ),
    "comments": (
        "# a, b\n# -9.99 is missing\nwhen,y\n" + "2020-01-01,1\n" * 20,
        "named by line 1:\n  # a: # -9.99 is missing, when, 2020-01-01\n  b: (empty), y, 1",
    ),
    "Latin-1": (GOOD.replace("z", "é").encode("latin-1"), "is not text in UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "is not text in UTF-8"),
    "too many columns": ("y," * 20_001 + "\n", "has 20002 columns and at least 1 rows; at most"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "is not text in UTF-8"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_faulty_file_is_refused_with_its_line_and_what_to_do(fault: str, tmp_path: Path) -> None:
    text, message = REFUSED[fault]
    with pytest.raises(Unavailable) as error:
        forecasting_of(text, tmp_path)
    assert message in str(error.value) and "series.csv" in str(error.value)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    lines[4], lines[9], lines[12] = "2020-01-04,many,1", "2020-01-09,,1", "soon,1,1"
    text = "\n".join(line for k, line in enumerate(lines) if k not in (20, 21))
    with pytest.raises(Unavailable) as error:
        forecasting_of(text, tmp_path, time_column="when")
    message = str(error.value)
    assert message.count("\n  - ") == 4 and "4 problems" in message
    for told in ("line 5 ('many')", "line 10 (''): no value", "line 13 ('soon')", "3 missing"):
        assert told in message


def zipped(text: str) -> bytes:
    """An archive that holds this file alone."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("series.csv", text)
    return file.getvalue()


READ: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "plain": (GOOD, {}),
    "blank lines last": (f"{GOOD}\n\n \n", {}),
    "empty cells at the end": (f"{GOOD},,\n,,\n", {}),
    "line ends of Windows": (GOOD.replace("\n", "\r\n"), {}),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), {}),
    "compressed": (gzip.compress(GOOD.encode(), mtime=0), {"name": "series.csv.gz"}),
    "semicolons": (GOOD.replace(",", ";"), {"separator": ";"}),
    "tabs": (GOOD.replace(",", "\t"), {"separator": r"\t"}),
    "blanks": (GOOD.replace(",", "   "), {"separator": " "}),
    "a letter": (GOOD.replace(",", "é"), {"separator": "é"}),
    "zip": (zipped(GOOD), {"name": "series.zip"}),
    "decimal commas": (
        GOOD.replace(",", ";").replace(".", ","),
        {"separator": ";", "decimal": ","},
    ),
    "quoted": (re.sub(r"([^,\n]+)", r'"\1"', GOOD), {}),
    "other columns twice": (GOOD.replace("when,y,z", "z,y,z"), {}),
}


@pytest.mark.parametrize("way", READ)
def test_file_is_read_however_it_is_written(way: str, tmp_path: Path) -> None:
    text, settings = READ[way]
    values = forecasting_of(text, tmp_path, **settings)._series.values()
    np.testing.assert_array_equal(values, np.round(np.sin(np.arange(30)), 4))


def test_a_code_for_missing_values_is_named_by_the_user(tmp_path: Path) -> None:
    text = good_except(7, "2020-01-06,-9.99,5")
    with pytest.raises(Unavailable, match=r"line 7 \(.*\): no value"):
        forecasting_of(text, tmp_path, missing="-9.99")
    assert "1 filled" in forecasting_of(text, tmp_path, missing="-9.99", fill="linear").notes[0]
    kept = forecasting_of(text, tmp_path, missing="none")._series.values()
    assert kept[5] == -9.99


def test_a_number_that_is_like_the_others_is_no_code(tmp_path: Path) -> None:
    text = "y\n" + "".join(f"{-k}\n" for k in range(100))
    assert forecasting_of(text, tmp_path)._series.values()[9] == -9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"separator": "::"}, r"--separator must be one character, or \t, not '::'"),
        ({"decimal": "x"}, "--decimal must be '.' or ',', not 'x'"),
        ({"fill": "spline"}, "--fill must be forward or linear, not 'spline'"),
        ({"time_format": "%Y"}, "--time-format goes with a column of times: --time NAME"),
        ({"column": ""}, "name the column to forecast with --column NAME, and the column of times"),
        ({"column": ""}, HEADINGS),
        ({"time_column": "date"}, "has no column 'date'"),
        ({"time_column": "when", "time_format": "%d%d"}, "--time-format: "),
        ({"time_column": "a\nb"}, "is not a list as in a line of a CSV file"),
        ({"where": "a=\nb"}, "is not a list as in a line of a CSV file"),
        ({"missing": "x" * 200_000}, "is not a list as in a line of a CSV file"),
    ],
)
def test_wrong_setting_of_a_file_is_refused(
    settings: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises((Unavailable, ValueError), match=re.escape(message)):
        forecasting_of(GOOD, tmp_path, **settings)


def test_missing_broken_or_changed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no\.csv: cannot be read: No such file"):
        Forecasting(series="csv", data=str(tmp_path / "no.csv"), column="y")
    compressed = gzip.compress(GOOD.encode())
    for content in (b"abc", compressed[:50], compressed[:-9] + b"x" * 9):
        with pytest.raises(Unavailable, match=r"series\.csv\.gz: cannot be read: "):
            forecasting_of(content, tmp_path, name="series.csv.gz")
    for name in ("series.tar.gz", "series.TAR", "series.zst"):
        with pytest.raises(Unavailable, match="is packed in a way that is not read: unpack it"):
            forecasting_of(b"abc", tmp_path, name=name)
    for content in (b"abc", *_damaged_archives()):
        with pytest.raises(Unavailable, match=r"series\.zip: cannot be read: "):
            forecasting_of(content, tmp_path, name="series.zip")
    with pytest.raises(Unavailable, match="has changed since the run began"):
        forecasting_of(GOOD, tmp_path, digest="0" * 32)


def _damaged_archives() -> list[bytes]:
    """A good file in a zip archive that is cut, has a wrong checksum, is encrypted, or is packed by
    a method that nobody knows."""
    content = zipped(GOOD)
    directory = content.index(b"PK\x01\x02")
    encrypted, unknown = bytearray(content), bytearray(content)
    encrypted[6] = encrypted[directory + 8] = 1
    unknown[8] = unknown[directory + 10] = 77
    return [content[:60], content.replace(b"2020", b"2021", 1), bytes(encrypted), bytes(unknown)]


def test_settings_of_a_file_go_with_a_file_alone() -> None:
    with pytest.raises(ValueError, match="--data FILE --column NAME"):
        Forecasting(series="csv")
    with pytest.raises(ValueError, match="and period go with series=csv, not sunspots"):
        Forecasting(column="y")


@pytest.mark.parametrize("other", ["0.125", "1500", "7.25"])
def test_three_decimals_are_not_taken_for_thousands(other: str, tmp_path: Path) -> None:
    text = f"y\n1.125\n{other}\n" + "3\n4\n" * 10
    assert forecasting_of(text, tmp_path)._series.values()[0] == 1.125


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
    flat = "\n".join(["y", *(f"{np.sin(k)}" for k in range(24)), *["0.1"] * 6]) + "\n"
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
        ([0.1] * 30, {}),
        ([0.1] * 30 + [4.0], {}),
        ([k * 1e-300 for k in range(30)], {}),
        (np.tile([1.0, 2.0, 5.0], 20), {"level": "window", "horizon": 3}),
    ],
)
def test_training_part_without_anything_to_learn_is_refused(
    values: Array, settings: Mapping[str, Any], tmp_path: Path
) -> None:
    text = "y\n" + "".join(f"{value}\n" for value in values)
    with pytest.raises(ValueError, match=r"nothing to learn from .*series\.csv, column 'y'"):
        forecasting_of(text, tmp_path, **{"order": 4, **settings})
