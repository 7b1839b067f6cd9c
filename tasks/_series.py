"""The series that `forecasting` forecasts: where they come from and how they are split."""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.spec import Array, Unavailable
from tasks._csv import from_file
from tasks._data import checked, file_of

FILE = "csv"
"""The name of a series that is read from the user's own file."""
TRAINED_ON = 0.8


def read_sunspots() -> Array:
    """Yearly mean sunspot numbers 1700–2008."""
    return _column(file_of("statsmodels", "datasets", "sunspots", "sunspots.csv"), "SUNACTIVITY")


def read_co2() -> Array:
    """Weekly CO₂ at Mauna Loa 1958–2001, ppm; 59 missing weeks lie on a line between neighbours."""
    found = _column(file_of("statsmodels", "datasets", "co2", "co2.csv"), "co2")
    known = ~np.isnan(found)
    steps = np.arange(len(found))
    return np.interp(steps, steps[known], found[known])


def read_airline() -> Array:
    """Monthly airline passengers 1949–1960, thousands."""
    return _literal(file_of("pmdarima", "datasets", "airpassengers.py"))


def read_demand() -> Array:
    """Half-hourly electricity demand of England and Wales, June to August 2000, MW."""
    return _literal(file_of("pmdarima", "datasets", "taylor.py"))


def read_laser() -> Array:
    """The intensity of a far-infrared laser in a chaotic state."""
    return np.load(file_of("reservoirpy", "datasets", "santafe_laser.npy")).ravel()


def read_temperatures() -> Array:
    """Hourly temperatures of Seattle in a typical year, °F."""
    return _column(file_of("vega_datasets", "_data", "seattle-temps.csv"), "temp")


def _column(file: Path, name: str) -> Array:
    """NaN where a cell is empty."""
    with file.open(newline="") as lines:
        return np.array([float(row[name] or "nan") for row in csv.DictReader(lines)])


def _literal(file: Path) -> Array:
    """The numbers of the last array that is written out in a module."""
    found = re.findall(r"np\.array\(\[([^\]]+)\]\)", file.read_text("utf-8"))
    if not found:
        raise Unavailable(f"{file} holds no numbers")
    return np.array(found[-1].split(","), dtype=np.float64)


def mackey_glass(count: int = 5000, washout: int = 1000) -> Array:
    """x' = β x(t − τ) / (1 + x(t − τ)ⁿ) − γ x with β = .2, γ = .1, n = 10, τ = 17.

    Fourth-order Runge–Kutta with steps of .1, the delayed value half way taken as the mean of its
    neighbours; x = 1.2 for t ≤ 0; one value a unit of time, from t = `washout` on.
    """
    per_unit, delay = 10, 170
    x = [1.2] * (delay + 1)
    for _ in range((washout + count - 1) * per_unit):
        x.append(_runge_kutta(x[-1], x[-1 - delay], x[-delay], 1 / per_unit))
    return np.array(x[delay + washout * per_unit :: per_unit])


def _runge_kutta(x: float, delayed: float, delayed_next: float, dt: float) -> float:
    half_way = (delayed + delayed_next) / 2
    k1 = _slope(x, delayed)
    k2 = _slope(x + dt / 2 * k1, half_way)
    k3 = _slope(x + dt / 2 * k2, half_way)
    k4 = _slope(x + dt * k3, delayed_next)
    return x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _slope(x: float, delayed: float) -> float:
    # Products round alike everywhere; pow() does not, and the series is chaotic.
    second = delayed * delayed
    fourth = second * second
    return 0.2 * delayed / (1 + fourth * fourth * second) - 0.1 * x


@dataclass(frozen=True, kw_only=True)
class Series:
    """A series and its split: `values[:train]` to fit on, `values[train:end]` to forecast.

    `module` is the package that ships it, None where it is generated; `digest` the sha256 of the
    values as little-endian float64. `period` is that of the seasonal forecast in steps, `season`
    the lag of the forecast that MASE divides by, `variance` the divisor of the squared error
    (None: the variance of the test part), `taps` the lags of a classical embedding. With `log` the
    series is forecast as its logarithm.
    """

    read: Callable[[], Array]
    digest: str
    train: int
    end: int
    module: str | None = None
    period: int | None = None
    season: int = 1
    variance: float | None = None
    taps: tuple[int, ...] = ()
    log: bool = False


SERIES: Mapping[str, Series] = {
    "sunspots": Series(
        read=read_sunspots,
        module="statsmodels",
        digest="66c86ecdcd5950f61f6243f924fdfa10a44596e94816291062fdda266a31c86d",
        train=1921 - 1700,
        end=1956 - 1700,
        period=11,
        variance=1535.0,
    ),
    "mackey-glass": Series(
        read=mackey_glass,
        digest="e5ff8b00bbfbff83d0764ee5fca345697490f941cb66b3374adfbc8fa5e51c1a",
        train=3000,
        end=5000,
        taps=(0, 6, 12, 18),
    ),
    "airline": Series(
        read=read_airline,
        module="pmdarima",
        digest="8eda0a52744e72ede03825fce5cb979a43af4b3479e2b0216bf907eee5d18056",
        train=108,
        end=144,
        period=12,
        season=12,
        log=True,
    ),
    "co2": Series(
        read=read_co2,
        module="statsmodels",
        digest="866a09cd8e1611423abe60da5a4a70c1bd0d16628548798bbde9b7c98e4c30d0",
        train=1827,
        end=2284,
        period=52,
        season=52,
    ),
    "demand": Series(
        read=read_demand,
        module="pmdarima",
        digest="bf5e0b0766e3717ce810bb8f304ae7cff067f31ffa7d133dd005e05cf6f84d84",
        train=3225,
        end=4032,
        period=336,
        season=336,
    ),
    "laser": Series(
        read=read_laser,
        module="reservoirpy",
        digest="ec9a7547fe386f59ce23b1aae2fc9b55ac0c0a5d69fe82bcd74194933212fb95",
        train=1000,
        end=1100,
    ),
    "temperatures": Series(
        read=read_temperatures,
        module="vega_datasets",
        digest="9693ea921834ed62a379732a5687d624a4467d95337ed66d49d56057f8127b8b",
        train=7007,
        end=8759,
        period=24,
        season=24,
    ),
}


@cache
def values(name: str) -> Array:
    """The series of that name, read-only; what differs from the data described is refused."""
    series = SERIES[name].read().astype("<f8")
    checked(name, SERIES[name].digest, series)
    return series


@cache
def own(path: str, column: str, digest: str, period: int) -> Series:
    """How a user's series is split: four fifths to fit on."""
    count = len(from_file(path, column, digest))
    return Series(
        read=lambda: from_file(path, column, digest),
        digest="",
        train=int(TRAINED_ON * count),
        end=count,
        period=period or None,
        season=period or 1,
    )
