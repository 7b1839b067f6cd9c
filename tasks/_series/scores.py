"""Scores of forecasts."""

from collections.abc import Mapping

import numpy as np

from bench.spec import Array


def forecast_scores(
    forecast: Array, actual: Array, *, training: Array, season: int, variance: float
) -> dict[str, float]:
    """Score forecasts `(steps, ahead)`; all arrays are in the unit of the series.

    - `nmse`: the mean squared error over `variance`;
    - `nrmse`: its root;
    - `rmse`: the root of the mean squared error;
    - `mase`: the mean absolute error, divided by the error on the training part of a forecast that
      repeats the value `season` steps before (Hyndman & Koehler 2006); infinite if that is zero;
    - `smape`: 200 |error| / (|forecast| + |actual|), in per cent (Makridakis & Hibon 2000).
    """
    error = np.abs(forecast - actual)
    size = np.maximum(np.abs(forecast) + np.abs(actual), np.finfo(np.float64).tiny)
    nmse = float(np.mean(error**2) / variance)
    naive = float(np.abs(training[season:] - training[:-season]).mean())
    return {
        "nmse": nmse,
        "nrmse": nmse**0.5,
        "rmse": float(np.mean(error**2) ** 0.5),
        "mase": float(error.mean() / naive) if naive else float("inf"),
        "smape": float(np.mean(200 * error / size)),
    }


def named_scores(methods: Mapping[str, Mapping[str, float]], metric: str) -> dict[str, float]:
    """The score `metric` of each method under `method`, its other scores under `method.score`."""
    others = {
        f"{method}.{name}": value
        for method, scores in methods.items()
        for name, value in scores.items()
        if name != metric
    }
    return {method: scores[metric] for method, scores in methods.items()} | others
