"""The series by name, and how each is split into a training and a test part."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.spec import Array
from tasks._packaged_data import verify
from tasks._series.mackey_glass import mackey_glass
from tasks._series.packaged import (
    read_airline,
    read_co2,
    read_demand,
    read_laser,
    read_sunspots,
    read_temperatures,
)

USER_FILE = "csv"
"""The name of the series that is a column of the user's file."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A series and its split: `[:train]` is the training part, `[train:end]` the test part.

    `module` is the package that ships it, None if it needs none; `digest` the sha256 of the values
    as little-endian float64, None for the user's own. `period` is the period of the seasonal
    forecast, in steps. `season` is the lag of the forecast whose error MASE divides by. `variance`
    divides the squared error (None: the variance of the test part). `taps` are the lags of a
    classical embedding. With `log` the logarithm of the series is forecast.
    """

    name: str
    read: Callable[[], Array]
    digest: str | None
    train: int
    end: int
    module: str | None = None
    period: int | None = None
    season: int = 1
    variance: float | None = None
    taps: tuple[int, ...] = ()
    log: bool = False

    def values(self) -> Array:
        """The values as they are forecast: with `log`, their logarithm."""
        values = load_values(self)
        return np.asarray(np.log(values)) if self.log else values

    def in_unit(self, values: Array) -> Array:
        """Forecast values in the unit of the series: with `log`, their exponential."""
        return np.asarray(np.exp(values)) if self.log else values

    def error_variance(self) -> float:
        """The divisor of the squared error."""
        return self.variance or float(self.in_unit(self.values()[self.train : self.end]).var())


@cache
def load_values(series: Series) -> Array:
    """The values of a series in its unit, read-only.

    Raises `Unavailable` if they cannot be read or are not the expected ones.
    """
    if series.digest is None:
        return series.read()
    values = series.read().astype("<f8")
    verify(series.name, series.digest, values)
    return values


CATALOGUE = (
    Series(
        name="sunspots",
        read=read_sunspots,
        module="statsmodels",
        digest="66c86ecdcd5950f61f6243f924fdfa10a44596e94816291062fdda266a31c86d",
        train=1921 - 1700,
        end=1956 - 1700,
        period=11,
        variance=1535.0,
    ),
    Series(
        name="mackey-glass",
        read=mackey_glass,
        digest="e5ff8b00bbfbff83d0764ee5fca345697490f941cb66b3374adfbc8fa5e51c1a",
        train=3000,
        end=5000,
        taps=(0, 6, 12, 18),
    ),
    Series(
        name="airline",
        read=read_airline,
        module="pmdarima",
        digest="8eda0a52744e72ede03825fce5cb979a43af4b3479e2b0216bf907eee5d18056",
        train=108,
        end=144,
        period=12,
        season=12,
        log=True,
    ),
    Series(
        name="co2",
        read=read_co2,
        module="statsmodels",
        digest="866a09cd8e1611423abe60da5a4a70c1bd0d16628548798bbde9b7c98e4c30d0",
        train=1827,
        end=2284,
        period=52,
        season=52,
    ),
    Series(
        name="demand",
        read=read_demand,
        module="pmdarima",
        digest="bf5e0b0766e3717ce810bb8f304ae7cff067f31ffa7d133dd005e05cf6f84d84",
        train=3225,
        end=4032,
        period=336,
        season=336,
    ),
    Series(
        name="laser",
        read=read_laser,
        module="reservoirpy",
        digest="ec9a7547fe386f59ce23b1aae2fc9b55ac0c0a5d69fe82bcd74194933212fb95",
        train=1000,
        end=1100,
    ),
    Series(
        name="temperatures",
        read=read_temperatures,
        module="vega_datasets",
        digest="9693ea921834ed62a379732a5687d624a4467d95337ed66d49d56057f8127b8b",
        train=7007,
        end=8759,
        period=24,
        season=24,
    ),
)
SERIES: Mapping[str, Series] = {series.name: series for series in CATALOGUE}
