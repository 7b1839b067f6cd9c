"""Forecast a series from a window of its past, beside the classical forecasts.

- `sunspots`: yearly mean sunspot numbers 1700–2008 (public domain, US National Geophysical Data
  Center; a file of statsmodels). 1700–1920 for training, 1921–1955 to forecast, and the divisor
  1535 for the squared error: a split and a normalisation that published forecasts of it use.
- `mackey-glass`: the chaotic delay equation of Mackey & Glass 1977, generated here; 3000 values
  for training, the next 2000 to forecast.
- `airline`: monthly passengers 1949–1960 (Box & Jenkins 1976, series G; a file of pmdarima, MIT),
  the last three years to forecast, as logarithms.
- `co2`: weekly CO₂ at Mauna Loa 1958–2001 (Keeling & Whorf, Scripps; a file of statsmodels), the
  last fifth to forecast.
- `demand`: half-hourly electricity demand of England and Wales, 12 weeks of 2000 (Taylor 2003; a
  file of pmdarima, MIT), the last fifth to forecast.
- `laser`: series A of the Santa Fe competition (Weigend & Gershenfeld 1994; a file of reservoirpy,
  MIT), 1000 values for training and the next 100 to forecast.
- `temperatures`: hourly, Seattle, a year of NOAA's normals 1981–2010 (public domain; a file of
  vega-datasets, MIT), the last fifth to forecast.
- `csv`: a column of your own file (`--data series.csv --column y --time date`), the last fifth to
  forecast.

The forecast for step t reads the `length` values that end at step t − `horizon`. Values of the
test part are read once they are past; the network is not trained on them. The values at steps t
to t + `ahead` − 1 are forecast together. Series are scaled by their training part alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from bench.spec import Array, check_choice
from tasks._packaged_data import missing
from tasks._series.catalogue import SERIES, USER_FILE, Series
from tasks._series.checks import check_changes, check_lengths
from tasks._series.forecast_lines import forecast_lines
from tasks._series.linear import linear_forecasts
from tasks._series.perceptron import perceptron
from tasks._series.scores import forecast_scores, named_scores
from tasks._series.user_file import FILE_SETTINGS, FileSettings
from tasks._series.windows import Windows
from tasks._settings import check_settings

REQUIRES: tuple[str, ...] = ("statsmodels", "pmdarima", "reservoirpy", "vega-datasets")
READS = ("steps", "window")
LEVELS = ("series", "window")
PERCEPTRONS = 5


@dataclass(frozen=True, kw_only=True)
class Forecasting(FileSettings):
    """Forecast `ahead` values, the first of them `horizon` steps after a window of `length` values.

    `order` is the number of lags of the autoregression. It is at most `length`, so that the
    autoregression never sees more than the network. `reads=window` gives the network the window
    as the channels of a single step: with the cell `feedforward` this is the windowed multilayer
    perceptron. `level` is what the network reads as zero: the mean of the training part
    (`series`), or the last value of each window (`window`), for series that grow beyond the range
    of the training part. `period` (of the seasonal forecast) and the settings of the file (`data`,
    `column`, `time_column`, …) are for `series=csv`, your own file.
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
    period: int = 0

    loss = "mse"
    metric = "nmse"
    readout = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("series", self.series, (*SERIES, USER_FILE))
        check_choice("reads", self.reads, READS)
        check_choice("level", self.level, LEVELS)
        check_settings(self, horizon=1, ahead=1, length=1, order=1, period=0)
        if self.order > self.length:
            raise ValueError(f"order must be at most length, {self.length}, not {self.order}")
        self._check_user_file()
        check_lengths(
            self._series,
            length=self.length,
            horizon=self.horizon,
            ahead=self.ahead,
            period=self.period,
        )
        if self.series == USER_FILE:
            check_changes(self._series, self._windows.unit)

    def _check_user_file(self) -> None:
        if self.series == USER_FILE and not self.data:
            raise ValueError(
                f"series={USER_FILE} needs a file and a column: --data FILE --column NAME"
            )
        if self.series != USER_FILE and (self.file != FileSettings() or self.period):
            settings = f"{', '.join(FILE_SETTINGS)} and period"
            raise ValueError(f"{settings} go with series={USER_FILE}, not {self.series}")

    def unavailable(self) -> str | None:
        """The reason why the series cannot be read, or None."""
        module = self._series.module
        return missing(module, f"the series {self.series} ships") if module else None

    @property
    def unread(self) -> tuple[str, ...]:
        return () if self.series == USER_FILE else FILE_SETTINGS

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read from the user's file."""
        if self.series != USER_FILE:
            return ()
        from tasks._series.user_series import read_user_series

        return (read_user_series(self.file).note,)

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
        """The score of the training mean, the best constant that is known beforehand."""
        windows = self._windows
        shape = (len(windows.test_targets), self.ahead)
        return self._score(np.full(shape, windows.training_part.mean()))[self.metric]

    @property
    def threshold(self) -> float:
        """The best score of the training mean and the linear forecasts, in the named sizes that
        of the autoregression: a network has to beat it."""
        return min(self.chance, *(scores[self.metric] for scores in self._linear_scores.values()))

    @property
    def baselines(self) -> Mapping[str, float]:
        """The `named_scores` of the linear forecasts and, if scikit-learn is installed, of the
        median perceptron. None uses values after the end of the window."""
        methods: dict[str, Mapping[str, float]] = {**self._linear_scores}
        if find_spec("sklearn") is not None:
            methods["perceptron"] = median_perceptron(self)
        return named_scores(methods, self.metric)

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Random windows of the training part, scaled: x `(batch, length, 1)`, or
        `(batch, 1, length)` with `reads=window`, and the values that follow `(batch, ahead)`."""
        targets = self._windows.training_targets
        return self._arrays(rng.integers(targets.start, targets.stop, size=self.batch))

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for every step of the test part in order."""
        return self._arrays(self._windows.test_targets)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """The `forecast_scores` of scaled forecasts `(steps, ahead)` for the test part."""
        series, windows = self._series, self._windows
        targets = windows.test_targets
        return forecast_scores(
            series.in_unit(windows.unscaled(predictions, targets)),
            series.in_unit(windows.unscaled(y, targets)),
            training=series.in_unit(windows.training_part),
            season=series.season,
            variance=series.error_variance(),
        )

    def forecasts(self, predictions: Array) -> Mapping[str, Array]:
        """The `forecast_lines` of scaled forecasts `(steps, ahead)` for the test part, with the
        times of a user's file."""
        lines = forecast_lines(self._windows, self._series, predictions, self._linear_forecasts)
        return {**lines, **self._times(lines["step"])}

    def _times(self, steps: Array) -> dict[str, Array]:
        if self.series != USER_FILE:
            return {}
        from tasks._series.user_series import read_user_series

        return {name: times[steps] for name, times in read_user_series(self.file).times.items()}

    @property
    def _series(self) -> Series:
        if self.series != USER_FILE:
            return SERIES[self.series]
        from tasks._series.user_series import user_series  # pandas is imported only if needed

        return user_series(self.file, self.period)

    @property
    def _windows(self) -> Windows:
        series = self._series
        return Windows(
            series=series.values(),
            train=series.train,
            end=series.end,
            length=self.length,
            horizon=self.horizon,
            ahead=self.ahead,
            level=self.level,
        )

    @property
    def _linear_forecasts(self) -> dict[str, Array]:
        return linear_forecasts(
            self._windows, order=self.order, period=self._series.period, taps=self._series.taps
        )

    @property
    def _linear_scores(self) -> dict[str, dict[str, float]]:
        return {method: self._score(values) for method, values in self._linear_forecasts.items()}

    def _score(self, forecast: Array) -> dict[str, float]:
        windows = self._windows
        targets = windows.test_targets
        actual = windows.values(targets)
        return self.scores(windows.scaled(forecast, targets), windows.scaled(actual, targets))

    def _arrays(self, targets: Array) -> tuple[Array, Array]:
        x, y = self._windows.cut(targets)
        return x[:, None, :] if self.reads == "window" else x[..., None], y


@lru_cache(maxsize=64)
def median_perceptron(task: Forecasting) -> Mapping[str, float]:
    """Scores of the perceptron whose `nmse` is the median of `PERCEPTRONS` that differ in their
    seeds: the error of a single one may be several times as large."""
    windows = task._windows
    x, y = windows.cut(np.asarray(windows.training_targets))
    test_x, test_y = windows.cut(windows.test_targets)
    scores = [task.scores(perceptron(x, y, test_x, seed), test_y) for seed in range(PERCEPTRONS)]
    return sorted(scores, key=lambda values: values[task.metric])[PERCEPTRONS // 2]


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
