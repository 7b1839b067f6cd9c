"""Classical forecasts of the test part of a series: the last value, the last season, and least
squares on lags."""

from collections.abc import Callable, Sequence

import numpy as np

from bench.spec import Array
from tasks._series.windows import Windows, lagged


def linear_forecasts(
    windows: Windows, *, order: int, period: int | None, taps: Sequence[int]
) -> dict[str, Array]:
    """Forecasts `(test targets, ahead)` by method, from values that the window could hold.

    - `persistence`: the last known value;
    - `seasonal`: the last known value a whole number of periods before, if there is a period;
    - `autoregression`: least squares on `order` lags, fitted for each step ahead;
    - `taps`: least squares on these lags, if there are any and the window reaches back so far.
    """
    series = windows.series

    def each_step(forecast: Callable[[Array, int], Array]) -> Array:
        """Forecast each step ahead; `forecast` takes steps and the distance to the last known
        value."""
        distances = range(windows.horizon, windows.horizon + windows.ahead)
        steps = [windows.test_targets + k for k in range(windows.ahead)]
        return np.stack([*map(forecast, steps, distances)], axis=-1)

    def least_squares(lags: Sequence[int]) -> Array:
        return each_step(
            lambda steps, distance: autoregression(
                series, windows.train, steps, [distance + lag for lag in lags]
            )
        )

    forecasts = {"persistence": each_step(lambda steps, distance: series[steps - distance])}
    if period:
        forecasts["seasonal"] = each_step(
            lambda steps, distance: series[steps - period * -(-distance // period)]
        )
    forecasts["autoregression"] = least_squares(range(order))
    if taps and max(taps) < windows.length:
        forecasts["taps"] = least_squares(taps)
    return forecasts


def autoregression(series: Array, train: int, targets: Array, lags: Sequence[int]) -> Array:
    """Forecasts `(targets,)` of the linear model on a constant and these lags.

    It is fitted by least squares to every step of `series[:train]` whose lags lie within that
    part, which must not be constant. The model is the same whatever the unit and the zero of the
    series.
    """
    zero, unit = series[:train].mean(), series[:train].std()
    scaled = (series - zero) / unit

    def regressors(steps: Array) -> Array:
        return np.column_stack((np.ones(len(steps)), lagged(scaled, steps, lags)))

    fitted = np.arange(max(lags), train)
    coefficients = np.linalg.lstsq(regressors(fitted), scaled[fitted], rcond=None)[0]
    return np.asarray(zero + unit * (regressors(targets) @ coefficients))
