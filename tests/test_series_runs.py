"""A run on a file of the user's: what its records and its report hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from running import bench_inside

import tasks
from bench.analysis.rows import rows_from_records
from bench.records.folder import RunFolder
from bench.records.record import Record

VALUES = np.round(10 + np.sin(np.arange(60)), 3)
DAYS = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d")


def test_comparison_on_a_file_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Sequence[str]] = []

    def compare_command(*_: Any, default_tasks: Sequence[str], **__: Any) -> int:
        compared.append(default_tasks)
        return 0

    monkeypatch.setattr("bench.compare.compare_command.compare_command", compare_command)
    assert bench_inside("compare", "--aa", "--data", "x.csv", "--column", "y").returncode == 0
    assert bench_inside("compare", "--aa").returncode == 0
    assert compared == [tasks.FOR_DATA, tasks.COMPARED]


def learned(file: Path, values: np.ndarray, run: str, root: Path) -> Record:  # type: ignore[type-arg]
    """The learning record of a run on a file with these values; the tenth day is missing."""
    rows = [f"{day},{value}\n" for day, value in zip(DAYS, values, strict=True)]
    file.write_text("".join(["day,y\n", *rows[:9], *rows[10:]]))
    done = bench_inside(
        *("--data", file, "--column", "y", "--time", "day", "--fill", "linear"),
        *("--tasks", "forecasting:steps=1", "--backends", "numpy", "--cells", "rnn"),
        *("--probes", "learning", "--profile", "smoke", "--run-id", run, "--results-dir", root),
    )
    assert done.returncode == 0, done.stderr
    assert f"{file}, column 'y': 60 values in days, by column 'day'; 1 filled" in done.stdout
    records = RunFolder.existing(root, run).records()
    return next(record for record in records if record.probe == "learning")


def test_forecasts_of_a_file_are_kept_and_files_of_one_name_are_told_apart(
    tmp_path: Path,
) -> None:
    root, file = tmp_path / "runs", tmp_path / "mine.csv"
    record = learned(file, VALUES, "a", root)
    lines = {n.removeprefix("forecast."): v for n, v in record.samples.items() if "forecast." in n}
    assert lines["step"] == list(range(48, 60))
    np.testing.assert_allclose(lines["actual"], VALUES[48:])
    error = np.subtract(lines["forecast"], lines["actual"])
    assert np.sqrt(np.mean(error**2)) == pytest.approx(record.metrics["final.rmse"])
    assert {"persistence", "autoregression"} < {*lines}
    assert record.case["fill"] == "linear" and "where" not in record.case
    done = bench_inside("report", "a", "--results-dir", root, "--format", "csv")
    assert done.returncode == 0
    table = pd.read_csv(root / "a" / "report" / "forecasts.csv")
    assert table["time"].tolist() == DAYS[48:].tolist()
    np.testing.assert_allclose(table["forecast"], lines["forecast"])

    other = learned(file, VALUES[::-1], "b", root)
    assert other.case["data"] == record.case["data"]
    assert other.case["digest"] != record.case["digest"]
    assert len({row.task for row in rows_from_records([record, other])}) == 2
