"""The fixed series that `forecasting` forecasts: where they come from and how they are split."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bench.spec import Array, Unavailable


def sunspots_missing() -> str | None:
    """Why the sunspots cannot be read, found without importing the package."""
    if find_spec("statsmodels") is None:
        return "the sunspots ship in a package that is not installed: pip install statsmodels"
    return None


def read_sunspots() -> Array:
    """Yearly mean sunspot numbers 1700–2008, from statsmodels' file without importing it."""
    if reason := sunspots_missing():
        raise Unavailable(reason)
    package = find_spec("statsmodels")
    assert package and package.origin
    file = Path(package.origin).parent / "datasets" / "sunspots" / "sunspots.csv"
    if not file.is_file():
        raise Unavailable(f"the installed statsmodels holds no {file}")
    with file.open(newline="") as lines:
        return np.array([float(row["SUNACTIVITY"]) for row in csv.DictReader(lines)])


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

    `digest` is the sha256 of the values as little-endian float64. `period` is in steps, `variance`
    the divisor of the squared error (None: the variance of the test part), `taps` the lags of a
    classical embedding.
    """

    read: Callable[[], Array]
    digest: str
    train: int
    end: int
    period: int | None = None
    variance: float | None = None
    taps: tuple[int, ...] = ()


SERIES: Mapping[str, Series] = {
    "sunspots": Series(
        read=read_sunspots,
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
}


@cache
def values(name: str) -> Array:
    """The series of that name, read-only; what differs from the data described is refused."""
    series = SERIES[name].read().astype("<f8")
    digest = sha256(series.tobytes()).hexdigest()
    if digest != SERIES[name].digest:
        raise Unavailable(f"the data of {name} is not the one described: its sha256 is {digest}")
    series.setflags(write=False)
    return series
