"""The spacing of points in time: months, business days, steps of 60, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from bench.spec import Array

WINDOW, MOST_WINDOWS = 4, 200
"""Rows in which a frequency is looked for where gaps hide that of the whole, and how often."""
FEWEST_SPACED = 4
"""Rows that a spacing needs."""
TOLERANCE = 0.25
"""How far a step may be from a whole number of median steps."""
MOST_UNEVEN = 0.1
"""Share of rows that may lie off a spacing that the others have."""
LONGEST_GRID = 20
"""A spacing that has more than this many times as many points as there are rows is none."""
UNITS: Mapping[str, str] = {
    **dict.fromkeys(("YS", "YE", "BYS", "BYE"), "years"),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE"), "quarters"),
    **dict.fromkeys(("MS", "ME", "BMS", "BME"), "months"),
    "W": "weeks",
    "D": "days",
    "B": "business days",
    "h": "hours",
    "min": "minutes",
    "bh": "business hours",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
}
"""What pandas' frequencies are called."""


@dataclass(frozen=True, eq=False)
class Spacing:
    """Rows on an even grid. `positions` are the rows' places on `grid`, −1 for a row off it; `grid`
    holds the times of all places, seconds since 1970 for dates."""

    name: str
    positions: Array
    grid: Array

    @property
    def off(self) -> Array:
        """The rows that lie off the grid."""
        return np.flatnonzero(self.positions < 0)

    @property
    def missing(self) -> int:
        """How many places have no row."""
        return len(self.grid) - int((self.positions >= 0).sum())


def seconds(dates: pd.DatetimeIndex) -> Array:
    """Seconds since 1970."""
    return dates.as_unit("us").asi8 / 1e6


def spacing_of_dates(dates: pd.DatetimeIndex) -> Spacing | None:
    """The spacing of rising dates; None if they are not evenly spaced."""
    day = int(dates[0].day)
    if day > 1 and (dates.day == day).all():  # pandas knows no months that start on another day
        shift = pd.Timedelta(days=day - 1)
        found = _calendar_spacing(dates - shift)
        if found and found.name.split()[-1] in ("months", "quarters", "years"):
            return Spacing(found.name, found.positions, found.grid + shift.total_seconds())
    return _calendar_spacing(dates) or _about_even(dates)


def _calendar_spacing(dates: pd.DatetimeIndex) -> Spacing | None:
    """The frequency of pandas on which most rows lie and the fewest are missing."""
    spacings = [spacing for name in _frequencies(dates) if (spacing := _on_grid(dates, name))]
    even = [s for s in spacings if len(s.off) <= MOST_UNEVEN * len(dates)]
    return min(even, key=lambda spacing: len(spacing.off) + spacing.missing, default=None)


def _frequencies(dates: pd.DatetimeIndex) -> set[str]:
    if whole := _inferred(dates):
        return {whole}
    starts = np.linspace(0, len(dates) - WINDOW, MOST_WINDOWS).astype(int)
    windows = (dates[start : start + WINDOW] for start in np.unique(starts))
    return {name for window in windows if (name := _inferred(window))}


def _inferred(dates: pd.DatetimeIndex) -> str | None:
    with catch_warnings():
        simplefilter("ignore")  # pandas announces that it will return an offset, not its name
        name = pd.infer_freq(dates)
    return None if name is None else str(getattr(name, "freqstr", name))


def _on_grid(dates: pd.DatetimeIndex, frequency: str) -> Spacing | None:
    offset = to_offset(frequency)
    length = (dates[-1] - dates[0]) / ((dates[0] + 2 * offset) - (dates[0] + offset))
    if length > LONGEST_GRID * len(dates):
        return None
    grid = pd.date_range(dates[0], dates[-1], freq=offset)
    base = frequency.split("-")[0].lstrip("0123456789")
    unit = UNITS.get(base, base)
    name = unit if offset.n == 1 else f"steps of {offset.n} {unit}"
    return Spacing(name, grid.get_indexer(dates), seconds(grid))


def _about_even(dates: pd.DatetimeIndex) -> Spacing | None:
    """Dates that no frequency fits, in steps of about their median: the 1st and the 15th of every
    month, days in local time, a clock that is not exact."""
    found = spacing_of_numbers(seconds(dates))
    step = pd.Timedelta(seconds=round(float(np.median(np.diff(seconds(dates)))), 3))
    name = str(step).removesuffix(" 00:00:00").removeprefix("0 days ")
    return found and Spacing(f"steps of about {name}", found.positions, found.grid)


def spacing_of_numbers(times: Array) -> Spacing | None:
    """The spacing of rising numbers, in steps of their median; None if they are not evenly spaced,
    or so far apart that a grid would be too long."""
    steps = np.diff(times)
    step = float(np.median(steps))
    counts = np.maximum(1, np.round(steps / step))
    uneven = np.abs(steps / step - counts) > TOLERANCE
    if uneven.any() or counts.sum() > LONGEST_GRID * len(times):
        return None
    positions = np.concatenate(([0], np.cumsum(counts))).astype(int)
    grid = np.interp(np.arange(positions[-1] + 1), positions, times)
    return Spacing(f"steps of {step:g}", positions, grid)
