"""Windows of a series, their targets, and the scores of forecasts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_samples import rng, seeds

from bench.spec import Array
from tasks._series.catalogue import SERIES, load_values
from tasks._series.mackey_glass import mackey_glass
from tasks.forecasting import PROFILES, Forecasting

SUNSPOTS_TRAIN, SUNSPOTS_END = 221, 256


def sunspots() -> Array:
    return load_values(SERIES["sunspots"])


@pytest.mark.parametrize("name", SERIES)
def test_series_is_finite_and_read_only_and_its_split_lies_within(name: str) -> None:
    series = SERIES[name]
    values = load_values(series)
    assert np.isfinite(values).all() and not values.flags.writeable
    assert 0 < series.train < series.end <= len(values)


def test_mackey_glass_follows_the_analytic_solution_up_to_the_first_delay() -> None:
    time = np.arange(18)
    limit = 0.2 * 1.2 / (1 + 1.2**10) / 0.1
    expected = limit + (1.2 - limit) * np.exp(-0.1 * time)
    np.testing.assert_allclose(mackey_glass(18, washout=0), expected, rtol=1e-7)


@given(seeds, st.sampled_from(["sunspots", "mackey-glass"]), st.integers(1, 9), st.integers(9, 30))
@settings(max_examples=30)
def test_training_windows_and_targets_lie_in_the_training_part(
    seed: int, name: str, horizon: int, length: int
) -> None:
    task = Forecasting(series=name, horizon=horizon, length=length, batch=8)
    training = load_values(SERIES[name])[: SERIES[name].train]
    possible = np.lib.stride_tricks.sliding_window_view(
        (training - training.mean()) / training.std(), length + horizon
    )
    for window, target in zip(*task.sample(rng(seed)), strict=True):
        same = (possible[:, :length] == window[:, 0]).all(axis=1) & (possible[:, -1] == target[0])
        assert same.any()


def test_evaluation_has_every_test_value_in_order_after_past_values_alone() -> None:
    task = Forecasting(horizon=3, length=12)
    series = sunspots()
    training = series[:SUNSPOTS_TRAIN]
    x, y = (a * training.std() + training.mean() for a in task.evaluation(rng()))
    np.testing.assert_allclose(y[:, 0], series[SUNSPOTS_TRAIN:SUNSPOTS_END])
    for step, window in zip(range(SUNSPOTS_TRAIN, SUNSPOTS_END), x[..., 0], strict=True):
        np.testing.assert_allclose(window, series[step - 14 : step - 2])


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["sunspots", "airline", "laser"]),
    horizon=st.integers(1, 6),
    ahead=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_targets_are_the_values_that_follow_the_window(
    name: str, horizon: int, ahead: int, seed: int
) -> None:
    """Every window is searched for in the series, and its targets are read there."""
    task = Forecasting(series=name, horizon=horizon, ahead=ahead, length=9)
    values, train = SERIES[name].values(), SERIES[name].train
    scaled = (values - values[:train].mean()) / values[:train].std()
    for (x, y), end in ((task.sample(rng(seed)), train), (task.evaluation(rng()), None)):
        assert x.shape[1:] == (9, 1) and y.shape[1:] == (ahead,)
        for window, target in zip(x[:5, :, 0], y[:5], strict=True):
            starts = [k for k in range(len(scaled) - 9) if (scaled[k : k + 9] == window).all()]
            firsts = [k + 9 + horizon - 1 for k in starts]
            assert any(
                (scaled[first : first + ahead] == target).all()
                for first in firsts
                if end is None or first + ahead <= end
            )


def test_reads_window_has_the_window_as_channels_of_one_step() -> None:
    steps, window = Forecasting(), Forecasting(reads="window")
    (x, y), (channels, same_y) = steps.evaluation(rng()), window.evaluation(rng())
    np.testing.assert_array_equal(x[:, :, 0], channels[:, 0, :])
    np.testing.assert_array_equal(y, same_y)
    assert (window.inputs, window.time) == (20, 1)
    assert window.baselines == steps.baselines


@pytest.mark.parametrize(("horizon", "ahead"), [(1, 1), (6, 1), (2, 3)])
@pytest.mark.parametrize("name", ["sunspots", "airline", "co2"])
def test_zero_with_level_window_is_the_forecast_of_the_last_value(
    name: str, horizon: int, ahead: int
) -> None:
    task = Forecasting(series=name, horizon=horizon, ahead=ahead, length=9, level="window")
    x, y = task.evaluation(rng())
    assert (x[:, -1] == 0).all() and y.any()
    no_change = task.scores(np.zeros_like(y), y)["nmse"]
    linear = task._linear_scores
    assert no_change == pytest.approx(linear["persistence"]["nmse"], rel=1e-9)
    assert task.chance != no_change
    for method, scores in replace(task, level="series")._linear_scores.items():
        assert linear[method] == pytest.approx(scores)
    assert task.scores(y, y)["rmse"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("ahead", "horizon"), [(1, 1), (12, 1), (1, 6)])
def test_targets_with_level_window_have_unit_size(ahead: int, horizon: int) -> None:
    task = Forecasting(
        series="demand", level="window", ahead=ahead, horizon=horizon, length=24, batch=2000
    )
    assert np.mean(task.sample(rng())[1] ** 2) == pytest.approx(1, abs=0.1)


def test_level_window_removes_the_trend() -> None:
    """With `level=series` most held-out values of a growing series exceed all training values."""
    for level, beyond in (("series", True), ("window", False)):
        task = Forecasting(series="co2", length=52, level=level)
        largest = max(task.sample(rng(seed))[1].max() for seed in range(50))
        assert (np.median(task.evaluation(rng())[1]) > largest) == beyond


def test_scores_are_in_their_documented_units() -> None:
    task = Forecasting()
    series = sunspots()
    training, actual = series[:SUNSPOTS_TRAIN], series[SUNSPOTS_TRAIN:SUNSPOTS_END]
    _, y = task.evaluation(rng())
    scores = task.scores(y + 10 / training.std(), y)
    assert scores["rmse"] == pytest.approx(10)
    assert scores["nmse"] == pytest.approx(100 / 1535) == pytest.approx(scores["nrmse"] ** 2)
    assert scores["mase"] == pytest.approx(10 / np.abs(np.diff(training)).mean())
    assert scores["smape"] == pytest.approx(np.mean(200 * 10 / (2 * actual + 10)))
    constant = task.scores(np.zeros_like(y), y)["nmse"]
    assert constant == pytest.approx(task.chance) and constant > task.threshold


def test_scores_of_a_logarithm_are_in_the_unit_of_the_series() -> None:
    task = PROFILES["airline"]
    passengers = load_values(SERIES["airline"])
    training, actual = passengers[:108], passengers[108:]
    _, y = task.evaluation(rng())
    steps = np.diff(np.log(training))[task.length - 1 :]
    forecast = np.log(1.1) / np.mean(steps**2) ** 0.5 + y
    scores = task.scores(forecast, y)
    assert scores["rmse"] == pytest.approx(0.1 * np.mean(actual**2) ** 0.5, rel=1e-9)
    naive = np.abs(training[12:] - training[:-12]).mean()
    assert scores["mase"] == pytest.approx(0.1 * actual.mean() / naive)
