"""Readers of the series that ship in packages, in the unit of each series."""

import csv
import re
from pathlib import Path

import numpy as np

from bench.spec import Array, Unavailable
from tasks._packaged_data import packaged_file


def read_sunspots() -> Array:
    """Yearly mean sunspot numbers 1700–2008."""
    return _csv_column(
        packaged_file("statsmodels", "datasets", "sunspots", "sunspots.csv"), "SUNACTIVITY"
    )


def read_co2() -> Array:
    """Weekly CO₂ at Mauna Loa 1958–2001 in ppm; 59 missing weeks are interpolated linearly."""
    weeks = _csv_column(packaged_file("statsmodels", "datasets", "co2", "co2.csv"), "co2")
    measured = ~np.isnan(weeks)
    steps = np.arange(len(weeks))
    return np.interp(steps, steps[measured], weeks[measured])


def read_airline() -> Array:
    """Monthly airline passengers 1949–1960, in thousands."""
    return _array_literal(packaged_file("pmdarima", "datasets", "airpassengers.py"))


def read_demand() -> Array:
    """Half-hourly electricity demand of England and Wales, June to August 2000, in MW."""
    return _array_literal(packaged_file("pmdarima", "datasets", "taylor.py"))


def read_laser() -> Array:
    """The intensity of a far-infrared laser in a chaotic state."""
    file = packaged_file("reservoirpy", "datasets", "santafe_laser.npy")
    return np.asarray(np.load(file)).ravel()


def read_temperatures() -> Array:
    """Hourly temperatures of Seattle in a typical year, in °F."""
    return _csv_column(packaged_file("vega_datasets", "_data", "seattle-temps.csv"), "temp")


def _csv_column(file: Path, name: str) -> Array:
    """A column of a CSV file; NaN where a cell is empty."""
    with file.open(newline="") as lines:
        return np.array([float(row[name] or "nan") for row in csv.DictReader(lines)])


def _array_literal(file: Path) -> Array:
    """The numbers of the last `np.array([…])` in the source of a module."""
    literals = re.findall(r"np\.array\(\[([^\]]+)\]\)", file.read_text("utf-8"))
    if not literals:
        raise Unavailable(f"{file} has no array of numbers. Install another version of its package")
    return np.array(literals[-1].split(","), dtype=np.float64)
