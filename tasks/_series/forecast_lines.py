"""Forecasts of the test part as lines that can be drawn beside what came."""

from collections.abc import Mapping

import numpy as np

from bench.spec import Array
from tasks._series.catalogue import Series
from tasks._series.windows import Windows


def forecast_lines(
    windows: Windows, series: Series, predictions: Array, linear: Mapping[str, Array]
) -> dict[str, Array]:
    """Arrays `(steps of the test part,)` in the unit of the series, by name.

    `predictions` are scaled, `(test targets, ahead)`, and `linear` the classical forecasts, not
    scaled. Where several values are forecast together, every `ahead`-th window is taken, so that
    each step is forecast once. `step` counts from the beginning of the series.
    """
    targets = windows.test_targets
    once = slice(None, None, windows.ahead)

    def line(values: Array) -> Array:
        return series.in_unit(values[once]).ravel()

    return {
        "step": (targets[once, None] + np.arange(windows.ahead)).ravel(),
        "actual": line(windows.values(targets)),
        "forecast": line(windows.unscaled(predictions, targets)),
        **{method: line(values) for method, values in linear.items()},
    }
