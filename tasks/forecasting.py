"""Forecasting a series from a window of its past, beside the classical forecasts.

- `sunspots`: yearly mean sunspot numbers 1700–2008 (public domain, US National Geophysical Data
  Center; a file of statsmodels). Fitted on 1700–1920, forecast 1921–1955, with the divisor 1535 for
  the squared error: a split and a normalisation that published forecasts of this series use.
- `mackey-glass`: the chaotic delay equation of Mackey & Glass 1977, generated here; 3000 values
  to fit on, the following 2000 to forecast.
- `airline`: monthly passengers 1949–1960 (Box & Jenkins 1976, series G; a file of pmdarima, MIT),
  the last three years to forecast, as logarithms.
- `co2`: weekly CO₂ at Mauna Loa 1958–2001 (Keeling & Whorf, Scripps; a file of statsmodels), the
  last fifth to forecast.
- `demand`: half-hourly electricity demand of England and Wales, 12 weeks of 2000 (Taylor 2003; a
  file of pmdarima, MIT), the last fifth to forecast.
- `laser`: series A of the Santa Fe competition (Weigend & Gershenfeld 1994; a file of reservoirpy,
  MIT), 1000 values to fit on and the next 100 to forecast.
- `temperatures`: hourly, Seattle, a year of NOAA's normals 1981–2010 (public domain; a file of
  vega-datasets, MIT), the last fifth to forecast.
- `csv`: a column of your own file (`--data series.csv --column y`), the last fifth to forecast.

The forecast for step t reads the `length` values that end at t − `horizon`: values of the test
part are read once they are past, the model is not refitted. With `ahead` it is for the steps t to
t + `ahead` − 1 at once. Series are scaled by the training part alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from bench.spec import Array
from tasks._common import check
from tasks._csv import from_file
from tasks._data import missing
from tasks._forecasts import autoregression, lagged, perceptron
from tasks._series import FILE, SERIES, Series, own, values

REQUIRES: tuple[str, ...] = ("statsmodels", "pmdarima", "reservoirpy", "vega-datasets")
READS = ("steps", "window")
LEVELS = ("series", "window")
PERCEPTRONS = 5


@dataclass(frozen=True, kw_only=True)
class Forecasting:
    """Forecast `ahead` values, the first of them `horizon` steps on, from a window of `length`.

    `order` is the number of lags of the autoregressive baseline, at most `length`, so that it
    never sees more than the network. `reads="window"` hands the window over as the channels of a
    single step: with the cell `feedforward` this is the windowed multilayer perceptron. What is
    above or below zero is told by the mean of what is trained on, or, with `level="window"`, by the
    last value of each window, so that a trend can leave the range that was trained on. `data`,
    `column`, `period` and `digest`, by which the file is known again, are those of `csv`.
    """

    series: str = "sunspots"
    horizon: int = 1
    ahead: int = 1
    length: int = 20
    reads: str = "steps"
    level: str = "series"
    order: int = 9
    batch: int = 32
    hidden: int = 8
    steps: int = 1000
    learning_rate: float = 5e-3
    clip_norm: float | None = 1.0
    data: str = ""
    column: str = ""
    period: int = 0
    digest: str = ""

    loss = "mse"
    metric = "nmse"
    readout = "last"

    def __post_init__(self) -> None:
        choices = {"series": (*SERIES, FILE), "reads": READS, "level": LEVELS}
        for name, among in choices.items():
            if (value := getattr(self, name)) not in among:
                raise ValueError(f"{name} must be one of {', '.join(among)}, not {value!r}")
        check(self, horizon=1, ahead=1, length=1, order=1, period=0)
        if self.order > self.length:
            raise ValueError(f"order must be at most length, {self.length}, not {self.order}")
        if self.series == FILE and not (self.data and self.column):
            raise ValueError("which series? Name a file and its column: --data FILE --column NAME")
        if self.series != FILE and (self.data or self.column or self.period or self.digest):
            own = "data, column, digest and period"
            raise ValueError(f"{own} go with series={FILE}, not {self.series}")
        self._check_lengths()
        if self.series == FILE:
            self._check_values()

    def _check_lengths(self) -> None:
        """Half of the training part for windows and what follows, and for a period."""
        whose = f"{self.data}, column {self.column!r}" if self.series == FILE else self.series
        train, tested = self._data.train, self._data.end - self._data.train
        whole = f"{whose} has {train + tested} values, {train} to train on and {tested} to forecast"
        if self._reach > (most := train // 2):
            raise ValueError(
                f"length + horizon + ahead − 1 must be at most {most}, not {self.length} + "
                f"{self.horizon} + {self.ahead} − 1 = {self._reach}: {whole}"
            )
        if self.period > most:
            raise ValueError(f"period must be at most {most}, not {self.period}: {whole}")
        if self.ahead > tested:
            raise ValueError(f"ahead must be at most {tested}, not {self.ahead}: {whole}")

    def _check_values(self) -> None:
        whose, train = f"{self.data}, column {self.column!r}", self._data.train
        if not self._scale:
            raise ValueError(
                f"nothing to learn: the part of {whose} that is trained on, its first {train} "
                "values, never changes, or all that follows a window is its last value"
            )
        if not self._variance:
            raise ValueError(
                f"nothing to forecast: the part of {whose} that is forecast, all after its first "
                f"{train} values, never changes"
            )

    def unavailable(self) -> str | None:
        """Why the series cannot be read here."""
        module = self._data.module
        return missing(module, f"the series {self.series} ships") if module else None

    @property
    def unread(self) -> tuple[str, ...]:
        return () if self.series == FILE else ("data", "column", "digest")

    @property
    def inputs(self) -> int:
        return self.length if self.reads == "window" else 1

    @property
    def outputs(self) -> int:
        return self.ahead

    @property
    def time(self) -> int:
        return 1 if self.reads == "window" else self.length

    @property
    def chance(self) -> float:
        """The training mean for every step: the best constant that can be known beforehand."""
        constant = np.full((len(self._targets), self.ahead), self._training.mean())
        return self._scores(constant)[self.metric]

    @property
    def threshold(self) -> float:
        """The best of the training mean and the linear forecasts, at the sizes below the
        autoregression: a network is to beat it."""
        return min(self.chance, *(scores[self.metric] for scores in self._linear.values()))

    @property
    def baselines(self) -> Mapping[str, float]:
        """`nmse` by the name of a method, and the other scores as `method.score`, of forecasts from
        the same information: the last value known, the last known value a whole number of periods
        ago, least squares on `order` lags or on taps, fitted for each step ahead, and, where
        scikit-learn is installed, the median perceptron on the window."""
        found: dict[str, Mapping[str, float]] = {**self._linear}
        if find_spec("sklearn") is not None:
            found["perceptron"] = perceptrons(self)
        others = {
            f"{method}.{name}": value
            for method, scores in found.items()
            for name, value in scores.items()
            if name != self.metric
        }
        return {method: scores[self.metric] for method, scores in found.items()} | others

    @property
    def _linear(self) -> dict[str, dict[str, float]]:
        series, period = self._series, self._data.period
        forecasts = {"persistence": self._each(lambda t, far: series[t - far])}
        if period:
            forecasts["seasonal"] = self._each(
                lambda t, far: series[t - period * -(-far // period)]
            )
        lags = {"autoregression": range(self.order), "taps": self._data.taps}
        for name, past in lags.items():
            if len(past) > 0 and max(past) < self.length:
                forecasts[name] = self._each(
                    lambda t, far, past=past: autoregression(
                        series, self._data.train, t, [far + lag for lag in past]
                    )
                )
        return {name: self._scores(forecast) for name, forecast in forecasts.items()}

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random windows of the training part `(batch, length, 1)`, or `(batch, 1, length)`, and
        what follows `(batch, ahead)`, scaled."""
        return self._windows(rng.integers(*self._trained_on, size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """The same for every step of the test part in order."""
        return self._windows(self._targets)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """Of scaled forecasts `(steps, ahead)` for the test part.

        `nmse`: squared error over the series' `variance`; `nrmse` its root; `rmse` in the unit of
        the series; `mase`: absolute error over that of the last value, or of the last one a season
        ago, on the training part (Hyndman & Koehler 2006), infinite where that is never wrong;
        `smape`: 200 |error| / (|forecast| + |value|), in per cent (Makridakis & Hibon 2000).
        """
        forecast, value = self._in_its_unit(predictions), self._in_its_unit(y)
        error, season = np.abs(forecast - value), self._data.season
        size = np.maximum(np.abs(forecast) + np.abs(value), np.finfo(np.float64).tiny)
        nmse = float(np.mean(error**2) / self._variance)
        trained = self._unit(self._training)
        naive = float(np.abs(trained[season:] - trained[:-season]).mean())
        return {
            "nmse": nmse,
            "nrmse": nmse**0.5,
            "rmse": float(np.mean(error**2) ** 0.5),
            "mase": float(error.mean() / naive) if naive else float("inf"),
            "smape": float(np.mean(200 * error / size)),
        }

    @property
    def _data(self) -> Series:
        if self.series == FILE:
            return own(self.data, self.column, self.digest, self.period)
        return SERIES[self.series]

    @property
    def _reach(self) -> int:
        return self.length + self.horizon + self.ahead - 1

    @property
    def _trained_on(self) -> tuple[int, int]:
        """The first target whose window lies in the training part, and the first whose values do
        not."""
        return self.length + self.horizon - 1, self._data.train - self.ahead + 1

    @property
    def _series(self) -> Array:
        """As it is forecast."""
        if self.series == FILE:
            return from_file(self.data, self.column, self.digest)
        found = values(self.series)
        return np.log(found) if self._data.log else found

    @property
    def _training(self) -> Array:
        return self._series[: self._data.train]

    @property
    def _targets(self) -> Array:
        """The first step of each forecast of the test part."""
        return np.arange(self._data.train, self._data.end - self.ahead + 1)

    @property
    def _variance(self) -> float:
        tested = self._series[self._data.train : self._data.end]
        return self._data.variance or float(self._unit(tested).var())

    def _unit(self, series: Array) -> Array:
        return np.exp(series) if self._data.log else series

    @property
    def _scale(self) -> float:
        """What counts as one: the deviation of what is trained on, or, above the last values of
        windows, the root of the mean square of what is asked for."""
        if self.level == "series":
            return float(self._training.std())
        targets = np.arange(*self._trained_on)
        asked = self._values(targets) - self._zero(targets)
        return float(np.mean(asked**2) ** 0.5)

    def _zero(self, targets: Array) -> Array:
        """What counts as zero in the windows before these targets, `(targets, 1)`."""
        if self.level == "window":
            return np.asarray(self._series[targets - self.horizon, None])
        return np.full((len(targets), 1), self._training.mean())

    def _scaled(self, values: Array, targets: Array) -> Array:
        return np.asarray((values - self._zero(targets)) / self._scale)

    def _in_its_unit(self, scaled: Array) -> Array:
        zero = self._zero(self._targets)
        return self._unit(np.asarray(scaled, np.float64) * self._scale + zero)

    def _windows(self, targets: Array) -> tuple[Array, Array]:
        oldest_first = range(self.horizon + self.length - 1, self.horizon - 1, -1)
        x = self._scaled(lagged(self._series, targets, oldest_first), targets)
        y = self._scaled(self._values(targets), targets)
        return x[:, None, :] if self.reads == "window" else x[..., None], y

    def _values(self, targets: Array) -> Array:
        """What is to be forecast from these on, `(targets, ahead)`."""
        return np.asarray(self._series[targets[:, None] + np.arange(self.ahead)])

    def _each(self, forecast: Callable[[Array, int], Array]) -> Array:
        """Forecasts `(steps, ahead)`, each from what is known `far` steps before."""
        steps = range(self.ahead)
        return np.stack([forecast(self._targets + k, self.horizon + k) for k in steps], axis=-1)

    def _scores(self, forecast: Array) -> dict[str, float]:
        targets = self._targets
        y = self._values(targets)
        return self.scores(self._scaled(forecast, targets), self._scaled(y, targets))


@lru_cache(maxsize=64)
def perceptrons(task: Forecasting) -> Mapping[str, float]:
    """Scores of the perceptron whose `nmse` is the median of `PERCEPTRONS` that differ in their
    seeds: one alone may err several times as much."""
    x, y = task._windows(np.arange(*task._trained_on))
    asked, values = task._windows(task._targets)
    flat, flat_asked = x.reshape(len(x), -1), asked.reshape(len(asked), -1)
    found = [
        task.scores(perceptron(flat, y, flat_asked, seed), values) for seed in range(PERCEPTRONS)
    ]
    return sorted(found, key=lambda scores: scores[task.metric])[PERCEPTRONS // 2]


MACKEY_GLASS = Forecasting(
    series="mackey-glass", horizon=84, length=50, order=20, batch=50, hidden=32, steps=2500
)
PROFILES: Mapping[str, Forecasting] = {
    "smoke": Forecasting(length=10, batch=16, hidden=4, steps=20, learning_rate=1e-2),
    "standard": Forecasting(),
    "paper": MACKEY_GLASS,
    "sunspots": Forecasting(),
    "mackey-glass": MACKEY_GLASS,
    "airline": Forecasting(
        series="airline", level="window", length=13, order=13, steps=1000, learning_rate=2e-3
    ),
    "co2": Forecasting(series="co2", level="window", length=52, order=52, hidden=32, steps=4000),
    "demand": Forecasting(
        series="demand", level="window", length=48, order=48, hidden=32, steps=4000
    ),
    "laser": Forecasting(series="laser", length=25, order=25, hidden=32, steps=4000),
    "temperatures": Forecasting(
        series="temperatures", horizon=24, length=48, order=48, hidden=32, steps=4000
    ),
}
