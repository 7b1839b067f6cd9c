"""Forecasting a fixed series from a window of its past, beside the classical forecasts.

- `sunspots`: yearly mean sunspot numbers 1700–2008 (public domain, US National Geophysical Data
  Center; the file that ships in the package statsmodels). Fitted on 1700–1920, forecast
  1921–1955, with the divisor 1535 for the squared error: a split and a
  normalisation that published forecasts of this series use.
- `mackey-glass`: the chaotic delay equation of Mackey & Glass 1977, generated here; 3000 values
  to fit on, the following 2000 to forecast.

The forecast for step t reads the `length` values that end at t − `horizon`: values of the test
part are read once they are past, the model is not refitted. Series are standardised with the mean
and deviation of the training part alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.spec import Array
from tasks._common import check
from tasks._series import SERIES, Series, sunspots_missing, values

REQUIRES: tuple[str, ...] = ("statsmodels",)


def unavailable() -> str | None:
    """Why the sunspots cannot be read; `mackey-glass` needs no package."""
    return sunspots_missing()


def lagged(series: Array, targets: Array, lags: Sequence[int]) -> Array:
    """`series[t − lag]` for every target step t: `(targets, lags)`."""
    return np.asarray(series[targets[:, None] - np.asarray(lags)])


def autoregression(series: Array, train: int, targets: Array, lags: Sequence[int]) -> Array:
    """Forecasts at `targets` of the linear model on these lags and a constant, fitted by least
    squares to every step of `series[:train]` whose lags lie within it."""

    def design(steps: Array) -> Array:
        return np.column_stack((np.ones(len(steps)), lagged(series, steps, lags)))

    fitted = np.arange(max(lags), train)
    coefficients = np.linalg.lstsq(design(fitted), series[fitted], rcond=None)[0]
    return np.asarray(design(targets) @ coefficients)


@dataclass(frozen=True, kw_only=True)
class Forecasting:
    """Forecast `horizon` steps ahead from a window of `length` values.

    `order` is the number of lags of the autoregressive baseline, at most `length`, so that it
    never sees more than the network.
    """

    series: str = "sunspots"
    horizon: int = 1
    length: int = 20
    order: int = 9
    batch: int = 32
    hidden: int = 8
    steps: int = 1000
    learning_rate: float = 5e-3
    clip_norm: float | None = 1.0

    inputs = 1
    outputs = 1
    readout = "last"
    loss = "mse"
    metric = "nmse"

    def __post_init__(self) -> None:
        if self.series not in SERIES:
            raise ValueError(f"series must be one of {', '.join(SERIES)}, not {self.series!r}")
        check(self, horizon=1, length=1, order=1)
        if self.order > self.length:
            raise ValueError(f"order must be at most length, {self.length}, not {self.order}")
        if self.length + self.horizon > self._data.train // 2:
            most = self._data.train // 2
            raise ValueError(f"length + horizon must be at most {most} for {self.series}")

    @property
    def time(self) -> int:
        return self.length

    @property
    def chance(self) -> float:
        """The training mean for every step: the best constant that can be known beforehand."""
        return self._nmse(np.full(len(self._targets), self._training.mean()))

    @property
    def threshold(self) -> float:
        """The autoregression fitted on the training part: a network is to beat it."""
        return self.baselines["autoregression"]

    @property
    def baselines(self) -> Mapping[str, float]:
        """`nmse` of forecasts from the same information: the last value known, the last known
        value a whole number of periods ago, and least squares on `order` lags or on taps."""
        series, targets, period = values(self.series), self._targets, self._data.period
        forecasts = {"persistence": series[targets - self.horizon]}
        if period:
            forecasts["seasonal"] = series[targets - period * -(-self.horizon // period)]
        lags = {"autoregression": range(self.order), "taps": self._data.taps}
        for name, past in lags.items():
            if len(past) > 0 and max(past) < self.length:
                delays = [self.horizon + lag for lag in past]
                forecasts[name] = autoregression(series, self._data.train, targets, delays)
        return {name: self._nmse(forecast) for name, forecast in forecasts.items()}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random windows of the training part `(batch, length, 1)` and what follows `(batch, 1)`,
        standardised."""
        first = self.length + self.horizon - 1
        return self._windows(rng.integers(first, self._data.train, size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Every target of the test part in order: `(steps, length, 1)` and `(steps, 1)`,
        standardised."""
        return self._windows(self._targets)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Of standardised forecasts `(steps, 1)` for the test part.

        `nmse`: squared error over the series' `variance`; `nrmse` its root; `rmse` in the unit of
        the series; `mase`: absolute error over that of one-step persistence on the training part
        (Hyndman & Koehler 2006); `smape`: 200 |error| / (|forecast| + |value|), in per cent.
        """
        scale, mean = self._training.std(), self._training.mean()
        forecast, value = (np.asarray(a, np.float64) * scale + mean for a in (predictions, y))
        error = np.abs(forecast - value)
        size = np.maximum(np.abs(forecast) + np.abs(value), np.finfo(np.float64).tiny)
        nmse = float(np.mean(error**2) / self._variance)
        return {
            "nmse": nmse,
            "nrmse": nmse**0.5,
            "rmse": float(np.mean(error**2) ** 0.5),
            "mase": float(error.mean() / np.abs(np.diff(self._training)).mean()),
            "smape": float(np.mean(200 * error / size)),
        }

    @property
    def _data(self) -> Series:
        return SERIES[self.series]

    @property
    def _training(self) -> Array:
        return values(self.series)[: self._data.train]

    @property
    def _targets(self) -> Array:
        return np.arange(self._data.train, self._data.end)

    @property
    def _variance(self) -> float:
        return self._data.variance or float(values(self.series)[self._targets].var())

    def _standardised(self, series: Array) -> Array:
        return np.asarray((series - self._training.mean()) / self._training.std())

    def _windows(self, targets: Array) -> tuple[Array, Array]:
        series = self._standardised(values(self.series))
        oldest_first = range(self.horizon + self.length - 1, self.horizon - 1, -1)
        return lagged(series, targets, oldest_first)[..., None], series[targets][:, None]

    def _nmse(self, forecast: Array) -> float:
        y = self._standardised(values(self.series)[self._targets])
        return self.scores(self._standardised(forecast), y)["nmse"]


PROFILES: Mapping[str, Forecasting] = {
    "smoke": Forecasting(length=10, batch=16, hidden=4, steps=20, learning_rate=1e-2),
    "standard": Forecasting(length=20, hidden=8, steps=1000, learning_rate=5e-3),
    "paper": Forecasting(
        series="mackey-glass", horizon=84, length=50, order=20, batch=50, hidden=32, steps=2500
    ),
}
