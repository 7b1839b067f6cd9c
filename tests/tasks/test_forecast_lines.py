"""The forecasts that a record keeps, beside what came."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from task_samples import rng
from user_file import GOOD, forecasting_of

from tasks._series.catalogue import SERIES, load_values
from tasks.forecasting import PROFILES, Forecasting


@pytest.mark.parametrize("ahead", [1, 5])
@pytest.mark.parametrize("name", ["sunspots", "airline", "laser"])
def test_lines_hold_each_held_out_step_once_in_the_unit_of_the_series(
    name: str, ahead: int
) -> None:
    task = replace(PROFILES[name], ahead=ahead, length=14, order=3)
    series = SERIES[name]
    _, y = task.evaluation(rng())
    lines = task.forecasts(y)
    steps = lines["step"]
    assert steps.tolist() == list(range(series.train, series.train + len(steps)))
    assert series.end - ahead < steps[-1] + 1 <= series.end
    np.testing.assert_allclose(lines["actual"], load_values(series)[steps])
    np.testing.assert_allclose(lines["forecast"], lines["actual"], rtol=1e-9)
    assert {len(line) for line in lines.values()} == {len(steps)}


def test_lines_of_classical_forecasts_are_theirs() -> None:
    task = Forecasting()
    lines = task.forecasts(task.evaluation(rng())[1])
    series = load_values(SERIES["sunspots"])
    np.testing.assert_allclose(lines["persistence"], series[lines["step"] - 1])
    np.testing.assert_allclose(lines["seasonal"], series[lines["step"] - 11])
    error = np.mean((lines["autoregression"] - lines["actual"]) ** 2) / 1535
    assert error == pytest.approx(task.baselines["autoregression"])


def test_lines_of_a_file_have_its_times(tmp_path: Path) -> None:
    def lines(**settings: str) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        task = forecasting_of(GOOD, tmp_path, **settings)
        return dict(task.forecasts(task.evaluation(rng())[1]))

    dated = lines(time_column="when")
    expected = pd.date_range("2020-01-25", periods=6)
    assert (pd.to_datetime(dated["unix_time"], unit="s") == expected).all()
    numbered = lines(time_column="z")
    assert numbered["time"].tolist() == [24, 25, 26, 27, 28, 29]
    assert not {"time", "unix_time"} & {*lines()}
