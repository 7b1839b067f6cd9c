"""The classical forecasts that networks are compared with."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor
from task_samples import rng

from bench.spec import Array
from tasks import forecasting
from tasks._series import perceptron as perceptron_module
from tasks._series.catalogue import SERIES, load_values
from tasks._series.linear import autoregression
from tasks._series.perceptron import FEWEST_CHECKED, perceptron
from tasks.forecasting import PERCEPTRONS, PROFILES, Forecasting, median_perceptron

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
"""Computed by independent code."""


def test_sunspot_baselines_score_as_published() -> None:
    baselines = Forecasting(order=9).baselines
    nmse = {k: v for k, v in baselines.items() if "." not in k and k != "perceptron"}
    expected = {"persistence": 0.416, "seasonal": 0.411, "autoregression": 0.123}
    assert nmse == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("horizon", "persistence", "linear"), [(6, 0.819, 0.425), (84, 1.626, 0.556)]
)
def test_mackey_glass_baselines_score_as_published(
    horizon: int, persistence: float, linear: float
) -> None:
    task = Forecasting(series="mackey-glass", horizon=horizon)
    nrmse = {method: scores["nmse"] ** 0.5 for method, scores in task._linear_scores.items()}
    assert nrmse["persistence"] == pytest.approx(persistence, abs=0.004)
    assert nrmse["taps"] == pytest.approx(linear, abs=0.004)
    assert task.chance == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("name", "method"), RMSE)
def test_baselines_have_the_errors_of_independent_code(name: str, method: str) -> None:
    task, series = PROFILES[name], SERIES[name]
    variance = load_values(series)[series.train : series.end].var()
    rmse = (task.baselines[method] * variance) ** 0.5
    assert rmse == pytest.approx(RMSE[name, method], rel=0.02)


def test_autoregression_agrees_with_statsmodels() -> None:
    statsmodels: Any = import_module("statsmodels.tsa.ar_model")
    series, targets = load_values(SERIES["sunspots"]), np.arange(221, 256)
    fitted = statsmodels.AutoReg(series[:221], lags=9, trend="c").fit().params
    expected = fitted[0] + sum(fitted[lag] * series[targets - lag] for lag in range(1, 10))
    np.testing.assert_allclose(autoregression(series, 221, targets, range(1, 10)), expected)


def test_seasonal_forecast_uses_only_values_before_the_horizon() -> None:
    series, targets = load_values(SERIES["sunspots"]), np.arange(221, 256)
    error = series[targets] - series[targets - 22]
    assert Forecasting(horizon=12).baselines["seasonal"] == pytest.approx(np.mean(error**2) / 1535)


@pytest.mark.parametrize("name", PROFILES)
def test_autoregression_is_the_best_linear_forecast_at_every_size(name: str) -> None:
    task = PROFILES[name]
    assert task.threshold == task._linear_scores["autoregression"]["nmse"]


def test_last_week_beats_the_autoregression_half_a_day_ahead() -> None:
    task = replace(PROFILES["demand"], ahead=12)
    linear = task._linear_scores
    week, autoregressive = (linear[name]["nmse"] for name in ("seasonal", "autoregression"))
    assert task.threshold == week < autoregressive / 2


@pytest.mark.parametrize("name", ["paper", "co2", "demand", "laser"])
def test_perceptron_is_better_than_chance_and_persistence(name: str) -> None:
    task = PROFILES[name]
    assert 0 < task.baselines["perceptron"] < min(task.chance, task.baselines["persistence"])


@pytest.mark.parametrize("task", [PROFILES["standard"], PROFILES["airline"]])
def test_reported_perceptron_is_the_median_of_several_seeds(
    task: Forecasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecasts: list[Array] = []

    def recorded(*arguments: Any) -> Array:
        forecasts.append(perceptron(*arguments))
        return forecasts[-1]

    monkeypatch.setattr(forecasting, "perceptron", recorded)
    scores = median_perceptron.__wrapped__(task)
    _, y = task.evaluation(rng())
    errors = sorted(task.scores(forecast, y)["nmse"] for forecast in forecasts)
    assert len(set(errors)) == PERCEPTRONS
    assert scores["nmse"] == errors[PERCEPTRONS // 2] == task.baselines["perceptron"]
    for name, value in scores.items():
        if name != "nmse":
            assert task.baselines[f"perceptron.{name}"] == value


def test_perceptrons_are_fitted_to_windows_of_the_training_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted: list[tuple[Array, Array]] = []
    fit = MLPRegressor.fit
    monkeypatch.setattr(
        MLPRegressor, "fit", lambda net, x, y: fitted.append((x, y)) or fit(net, x, y)
    )
    median_perceptron.__wrapped__(Forecasting(length=20))
    assert len(fitted) == PERCEPTRONS
    training = load_values(SERIES["sunspots"])[:221]
    scaled = (training - training.mean()) / training.std()
    for x, y in fitted:
        np.testing.assert_allclose(x, np.lib.stride_tricks.sliding_window_view(scaled, 20)[:-1])
        np.testing.assert_allclose(y, scaled[20:])


def test_perceptron_of_a_short_series_is_trained_on_all_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = rng().normal(size=(FEWEST_CHECKED, 6)), rng().normal(size=(FEWEST_CHECKED, 3))
    stopped_early = perceptron(x, y, x, 0)
    monkeypatch.setattr(perceptron_module, "FEWEST_CHECKED", FEWEST_CHECKED + 1)
    on_all = perceptron(x, y, x, 0)
    assert ((on_all - y) ** 2).mean() < 0.9 * ((stopped_early - y) ** 2).mean()


def test_perceptron_is_left_out_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "find_spec", lambda _: None)
    methods = {name for name in Forecasting().baselines if "." not in name}
    assert methods == {"persistence", "seasonal", "autoregression"}
