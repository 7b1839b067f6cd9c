"""Forecasts of a series in the record, in a picture and in a CSV file."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_records import learning_record, parity_record, run_folder, tables_of

from bench.analysis.forecasts import forecast_table
from bench.probes.learning import MAX_STORED_FORECASTS, stored_forecasts
from bench.records.record import Record
from bench.report.files import write_report
from bench.report.forecast_figure import MOST_STEPS, forecast_figure, middle_record
from bench.report.panels import line_styles

ACTUAL = [1.0, 2.0, 3.0, 4.0]


def forecast_record(
    score: float | None = 0.02, count: int = 1, times: str = "unix_time", **changes: Any
) -> Record:
    """A learning record with forecasts that are off by its score; `times` names its times."""
    plain = learning_record(score, **changes)
    actual = np.array(ACTUAL * count)
    lines: dict[str, Any] = {
        "step": np.arange(len(actual)) + 20.0,
        "actual": actual,
        "forecast": actual + (np.nan if score is None else score),
        "persistence": actual - 1,
    }
    if times:
        lines[times] = 86_400.0 * np.arange(len(actual))
    samples = {f"forecast.{name}": values.tolist() for name, values in lines.items()}
    return Record(**{**vars(plain), "samples": {**plain.samples, **samples}})


def records(**changes: Any) -> list[Record]:
    """Three seeds of each of two backends."""
    return [
        record
        for backend in ("torch", "jax")
        for record in (
            parity_record(backend=backend),
            *(
                forecast_record(score, seed=seed, backend=backend, **changes)
                for seed, score in enumerate((0.3, 0.1, 0.2))
            ),
        )
    ]


class Series:
    """A task that keeps forecasts of two thousand steps."""

    def forecasts(self, predictions: Any) -> dict[str, Any]:
        return {"step": np.arange(2000), "forecast": predictions}


def test_record_holds_the_first_forecasts_and_only_for_a_series() -> None:
    stored = stored_forecasts(Series(), np.full(2000, 1 / 3))
    assert {name: len(values) for name, values in stored.items()} == dict.fromkeys(
        ("forecast.step", "forecast.forecast"), MAX_STORED_FORECASTS
    )
    assert stored["forecast.step"][-1] == MAX_STORED_FORECASTS - 1
    assert stored["forecast.forecast"][0] == 0.3333333333
    assert stored_forecasts(object(), np.zeros(3)) == {}


def test_csv_has_forecast_and_actual_of_every_seed_and_step(tmp_path: Path) -> None:
    paths = write_report([run_folder(tmp_path)], records(), ["csv"], tmp_path)
    assert paths[-1].name == "forecasts.csv"
    with paths[-1].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * 3 * len(ACTUAL)
    first = {"backend": "jax", "seed": "0", "step": "20", "time": "1970-01-01", "actual": "1.0"}
    assert first.items() <= rows[0].items()
    assert float(rows[0]["forecast"]) == 1.3 and float(rows[0]["persistence"]) == 0
    assert [*rows[0]][-5:] == ["step", "time", "actual", "forecast", "persistence"]


def test_rows_without_forecasts_or_proof_are_not_in_the_table() -> None:
    plain = [parity_record(), learning_record()]
    failed = [parity_record(status="failed", reason="wrong"), forecast_record()]
    assert forecast_table(tables_of(plain).rows).empty
    assert forecast_table(tables_of(failed).rows).empty
    assert forecast_figure("x", tables_of(plain).rows, line_styles(["torch"])) is None


def test_the_seed_with_the_median_score_is_drawn_and_a_diverged_one_last() -> None:
    (row,) = tables_of([parity_record(), *records()[1:4]]).rows
    middle = middle_record(row)
    assert middle is not None and middle.metrics["score"] == 0.2
    diverged = [forecast_record(None, seed=0), forecast_record(0.5, seed=1)]
    (row,) = tables_of([parity_record(), *diverged]).rows
    middle = middle_record(row)
    assert middle is not None and middle.metrics["score"] == 0.5


@pytest.mark.parametrize("times", ["unix_time", "time", ""])
def test_figure_shows_actual_classical_and_network_forecasts(times: str, tmp_path: Path) -> None:
    tables = tables_of(records(times=times, count=50))
    figure = forecast_figure("series", tables.rows, line_styles(["torch", "jax"]))
    assert figure is not None
    (axes,) = figure.axes
    drawn = [np.asarray(line.get_ydata()) for line in axes.lines]
    actual = np.array(ACTUAL * 50)[:MOST_STEPS]
    expected = (actual, actual - 1, actual + 0.2, actual + 0.2)
    for line, values in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(line, values)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["actual", "persistence", "jax", "torch"]
    assert (
        f"the first {MOST_STEPS} of the 200 steps kept" in figure.legends[0].get_title().get_text()
    )


def test_picture_stands_in_the_markdown(tmp_path: Path) -> None:
    paths = write_report([run_folder(tmp_path)], records(), ["markdown", "plots"], tmp_path)
    assert "forecast-adding.png" in [path.name for path in paths]
    assert "(forecast-adding.png)" in paths[0].read_text()
