"""The spacing of points in time: months, business days, equal steps, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.spec import Array

DAYS_ALIKE, NUMBERS_ALIKE = 0.05, 0.15
"""How far the distance of two rows may be from a whole number of steps, in steps: days in local
time are not all of one length, and decimal years are rounded."""
PLACES_ALIKE = 0.17
"""How far the places of dates in their months may be apart, in months: the third Friday is the 15th
to the 21st."""
MONTHS = {12: "years", 3: "quarters", 1: "months"}
SECONDS = {604800: "weeks", 86400: "days", 3600: "hours", 60: "minutes", 1: "seconds"}


@dataclass(frozen=True, eq=False)
class Spacing:
    """Rows on an even grid. `places` are the rows' places on the grid, counted from 0; `missing`
    says how many places have no row. `off` marks the rows that come no whole number of steps after
    the row before."""

    name: str
    places: Array
    missing: int
    off: Array


def spacing_of(times: Array, dated: bool) -> Spacing:
    """The spacing of rising times: that which the fewest rows are off, with the fewest missing.
    Dates (`dated`) are in seconds since 1970."""
    if not dated:
        return _spacing(times, {}, NUMBERS_ALIKE)
    dates = (1e6 * times).round().astype("datetime64[us]")
    days = np.busday_count("1970-01-01", dates.astype("datetime64[D]"))
    spacings = (
        *_monthly(dates),
        _spacing(times, SECONDS, DAYS_ALIKE),
        _spacing(days, {1: "business days"}, 0),
    )
    return min(spacings, key=lambda spacing: (spacing.off.sum(), spacing.missing))


def _monthly(dates: Array) -> list[Spacing]:
    """The spacing in months, if all dates are at about one place in their months: with steps of 28
    days no month would be missing for a long time."""
    months = dates.astype("datetime64[M]")
    lengths = (months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")
    positions = months.astype(int) + (dates - months) / lengths.astype("timedelta64[us]")
    phase = np.angle(np.exp(2j * np.pi * positions).mean()) / (2 * np.pi)
    places = np.round(positions - phase)
    alike = np.abs(positions - phase - places).max() <= PLACES_ALIKE
    return [_spacing(places, MONTHS, 0)] if alike else []


def _spacing(positions: Array, units: Mapping[int, str], tolerance: float) -> Spacing:
    """The spacing of rising positions, in steps of their median; `units` are names of steps."""
    steps = np.diff(positions)
    step = float(np.quantile(steps, 0.5, method="lower")) or 1.0
    counts = np.round(steps / step)
    off = (np.abs(steps / step - counts) > tolerance) | (counts < 1)
    unit = next((size for size in units if step % size == 0), 1)
    places = np.concatenate(([0], np.cumsum(np.clip(counts, 1, 1e9)))).astype(int)
    missing = int(places[-1]) + 1 - len(places)
    name = f"steps of {step / unit:g} {units.get(unit, '')}".strip()
    if units and step == unit:
        name = units[unit]
    return Spacing(name, places, missing, np.concatenate(([False], off)))
