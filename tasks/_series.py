"""The series that `forecasting` forecasts: where they come from and how they are split."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import numpy as np

from bench.spec import Array, Unavailable
from tasks._data import checked, file_of

if TYPE_CHECKING:
    import pandas as pd

FILE = "csv"
"""The name of a series that is read from the user's own file."""
TRAINED_ON = 0.8
LEAST_ROWS = 10
NUMBERED = ("year", "time", "date", "datetime", "timestamp", "ds", "month")
"""Last words of headings below which numbers are points in time, months if they have their year."""
NAMED = ("date", "datetime", "timestamp", "ds")
"""Last words of headings below which text must be."""
COMPACT = {8: "%Y%m%d", 6: "%Y%m"}
"""How dates are written that are numbers, by their digits."""
DATED = re.compile(r"\d{4}|\d+[-/.]\d+[-/.]\d+")
"""What a cell holds that may be a date: a year, or three numbers."""
LATE, OFTEN, REPEATED = 1.5, 0.1, 3
"""Steps are late that are so many times as long as their median. They are gaps unless they come
again after as many steps, as weekends do: always, being this share of the steps, or mostly, and at
least so many times."""
LARGEST = 1e15
"""Of larger numbers float32 cannot hold the squares of squares."""


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
def from_file(path: str, column: str, digest: str) -> Array:
    """A column of a user's CSV file, read-only. `Unavailable` names the row and the column of what
    is wrong; rows are counted as an editor counts lines, the heading being line 1.

    Columns of dates, those of text that is one and numbers below a heading that says so, must go
    forwards, dates in even steps.
    """
    file = Path(path)
    heads, rows = _table(file, digest)
    if heads.count(column) != 1:
        has = "two columns" if column in heads else "no column"
        raise Unavailable(f"{file} has {has} {column!r}. It has: {', '.join(heads) or 'none'}")
    if len(rows) < LEAST_ROWS:
        raise Unavailable(
            f"{file}, column {column!r}: {len(rows)} row{'s' * (len(rows) != 1)} of values; at "
            f"least {LEAST_ROWS} are needed"
        )
    for place, name in enumerate(heads):
        if name != column:
            _in_order(file, name, {line: row[place].strip() for line, row in rows.items()})
    place = heads.index(column)
    series = np.array([_number(file, line, column, row[place]) for line, row in rows.items()])
    if (series == series[0]).all():
        raise Unavailable(f"{file}, column {column!r}: every value is {series[0]:g}")
    series.setflags(write=False)
    return series


def _table(file: Path, digest: str) -> tuple[list[str], dict[int, list[str]]]:
    """The headings, and the cells of each line that has any."""
    try:
        if digest and not sha256(file.read_bytes()).hexdigest().startswith(digest):
            raise Unavailable(f"{file} has changed since the run was begun")
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, strict=True)
            found = ((reader.line_num, row) for row in reader)
            filled = [(line, row) for line, row in found if any(cell.strip() for cell in row)]
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unavailable(f"{file} is no CSV file in UTF-8: {error}") from error
    heads = [head.strip() for head in filled[0][1]] if filled else []
    rows = dict(filled[1:])
    if len(heads) == 1 and (mark := re.search(r"[;\t]", heads[0])):
        raise Unavailable(
            f"{file}, line {filled[0][0]}: cells are parted by {mark[0]!r}, not by commas"
        )
    for line, row in rows.items():
        if len(row) != len(heads):
            where = f"{file}, line {line}"
            where += f", column {heads[len(row)]!r}" if len(row) < len(heads) else ""
            raise Unavailable(f"{where}: {len(row)} cells under {len(heads)} headings")
    return heads, rows


def _number(file: Path, line: int, column: str, cell: str) -> float:
    where = f"{file}, line {line}, column {column!r}"
    if not cell.strip():
        raise Unavailable(f"{where}: a gap. Fill it or leave it out, the choice is yours")
    try:
        number = float(cell.replace("_", "?"))
    except ValueError:
        raise Unavailable(f"{where}: {cell!r} is no number") from None
    if not np.isfinite(number):
        raise Unavailable(f"{where}: {cell.strip()} is no finite number")
    if abs(number) > LARGEST:
        raise Unavailable(f"{where}: {cell.strip()} is beyond {LARGEST:g}. Take a larger unit")
    return number


def _in_order(file: Path, name: str, cells: Mapping[int, str]) -> None:
    """Raises for the first cell of a column of dates that does not come after the one before it,
    or comes more than one step after it."""
    texts = list(cells.values())
    fault = (_out_of_turn if all(map(_is_number, texts)) else _no_next_date)(name, texts)
    if fault:
        at, why = fault
        cell = repr(texts[at]) if texts[at] else "a gap"
        raise Unavailable(f"{file}, line {list(cells)[at]}, column {name!r}: {cell} {why}")


def _out_of_turn(name: str, texts: Sequence[str]) -> tuple[int, str] | None:
    """Of numbers below a heading of time the first that is less than the one before it, or that
    comes late. They may stay the same: a year has many months."""
    if not _ends(name, NUMBERED):
        return None
    dates = _compact(texts)
    if dates is not None:
        return _uneven(dates, "date")
    steps = np.diff(np.array(texts, dtype=np.float64))
    if _ends(name, ("month",)):
        return None
    if (steps < 0).any():
        return int(np.argmax(steps < 0)) + 1, f"{BACK.format('number')}, or rename {name!r}"
    return _uneven(np.array(texts, dtype=np.float64), "number") if (steps > 0).all() else None


BACK = "does not come after the {} before it. Put the rows in order"


def _ends(name: str, words: Sequence[str]) -> bool:
    """Whether one of the words is the last of a heading, such as `unix_time`."""
    return ([w for w in re.split(r"[^a-z]+", name.lower()) if w] or [""])[-1] in words


def _compact(texts: Sequence[str]) -> Array | None:
    """Seconds of dates written as numbers, such as 20260131 or 202601; or None."""
    form = COMPACT.get(len(texts[0]))
    if not form or any(len(text) != len(texts[0]) or not text.isdigit() for text in texts):
        return None
    import pandas as pd

    found = pd.Series(pd.to_datetime(list(texts), format=form, errors="coerce", utc=True))
    return None if found.isna().any() else _seconds(found)


def _seconds(dates: "pd.Series[pd.Timestamp]") -> Array:
    return (dates - dates.iloc[0]).dt.total_seconds().to_numpy()


def _no_next_date(name: str, texts: Sequence[str]) -> tuple[int, str] | None:
    """The first cell of a column of dates that is none, or not the next one."""
    if not DATED.search(texts[0]) or _instants(texts[:1], day_first=False).isna().any():
        why = f"is no date that can be read. Write 2026-01-31, or rename {name!r}"
        return (0, why) if _ends(name, NAMED) else None
    readings = [_instants(texts, day_first=day_first) for day_first in (False, True)]
    found = min(readings, key=lambda dates: (dates.isna().sum(), (dates.diff().dt.days < 0).sum()))
    if found.isna().any():
        return int(np.argmax(found.isna())), "is no date, as those above it are"
    return _uneven(_seconds(found), "date")


def _uneven(times: Array, kind: str) -> tuple[int, str] | None:
    """The first that does not come after the one before it, or comes late once in a while."""
    steps = np.diff(times)
    if (steps <= 0).any():
        return int(np.argmax(steps <= 0)) + 1, BACK.format(kind)
    late = np.flatnonzero(steps > LATE * np.median(steps))
    if not len(late) or _again_and_again(late, len(steps)):
        return None
    why = (
        f"comes more than a step after the {kind} before it: a gap. Fill it, or leave out the "
        f"column of {kind}s, the choice is yours"
    )
    return int(late[0]) + 1, why


def _again_and_again(late: Array, count: int) -> bool:
    """Whether late steps are none that is missing, but recur. `late` has their places."""
    apart = np.diff(late)
    alike = float(np.mean(apart == np.median(apart))) if len(apart) else 0.0
    return (len(late) >= OFTEN * count and alike == 1) or (len(apart) >= REPEATED and alike > 0.5)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _instants(texts: Sequence[str], day_first: bool) -> "pd.Series[pd.Timestamp]":
    """Points in time, all written as the first one is; NaT for what is not."""
    import pandas as pd

    with catch_warnings():
        simplefilter("ignore")  # that no format was found, or that days come first all the same
        return pd.Series(pd.to_datetime(list(texts), errors="coerce", utc=True, dayfirst=day_first))


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
