"""Classical forecasts of the test part of a series: the last value, the last season, and least
squares on lags."""

from collections.abc import Callable, Sequence

import numpy as np

from bench.spec import Array
from tasks._series.windows import Windows, lagged


def linear_forecasts(
    windows: Windows, *, order: int, period: int | None, taps: Sequence[int]
) -> dict[str, Array]:
    """Forecasts `(test targets, ahead)` by method, from values up to the end of the window.

    - `persistence`: the last known value;
    - `seasonal`: the last known value a whole number of periods before, if there is a period;
    - `autoregression`: least squares on `order` lags, fitted for each step ahead;
    - `taps`: least squares on these lags, if there are any and the window reaches back so far.
    """
    series = windows.series
    forecasts = {"persistence": _each_step(windows, lambda steps, back: series[steps - back])}
    if period:
        # -(-back // period) is back / period, rounded up.
        forecasts["seasonal"] = _each_step(
            windows, lambda steps, back: series[steps - period * -(-back // period)]
        )
    forecasts["autoregression"] = _least_squares(windows, range(order))
    if taps and max(taps) < windows.length:
        forecasts["taps"] = _least_squares(windows, taps)
    return forecasts


def _each_step(windows: Windows, forecast: Callable[[Array, int], Array]) -> Array:
    """Forecasts `(test targets, ahead)`; `forecast` takes the steps of one column and how far back
    their last known value is."""
    columns = [
        forecast(windows.test_targets + k, windows.horizon + k) for k in range(windows.ahead)
    ]
    return np.stack(columns, axis=-1)


def _least_squares(windows: Windows, lags: Sequence[int]) -> Array:
    return _each_step(
        windows,
        lambda steps, back: autoregression(
            windows.series, windows.train, steps, [back + lag for lag in lags]
        ),
    )


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
