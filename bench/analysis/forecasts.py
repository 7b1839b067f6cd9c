"""Forecasts of series beside what came, as a tidy table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.rows import Row
from bench.records.record import FORECAST_PREFIX, Record

MAIN = ("step", "time", "actual", "forecast")
"""Columns of the table behind those that name the row and the seed; then come the classical
forecasts."""


def forecast_lines(record: Record) -> dict[str, Sequence[float]]:
    """What a record holds of forecasts, by name; empty if it holds none, or lines of different
    lengths."""
    lines = {
        name.removeprefix(FORECAST_PREFIX): values
        for name, values in record.samples.items()
        if name.startswith(FORECAST_PREFIX)
    }
    whole = lines.keys() >= {"step", "actual", "forecast"} and np.isfinite(lines["step"]).all()
    return lines if whole and len({*map(len, lines.values())}) == 1 else {}


def forecast_table(rows: Sequence[Row]) -> pd.DataFrame:
    """A line for each held-out step of each seed of each proven row; empty without forecasts."""
    frames = [
        pd.DataFrame({**row.keys, "seed": record.case.get("seed"), **_with_time(record)})
        for row in rows
        if not row.unproven
        for record in row.measured("learning")
        if forecast_lines(record)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _with_time(record: Record) -> dict[str, Any]:
    """The lines of a record, in the order of `MAIN`, with dates for seconds since 1970."""
    lines: dict[str, Any] = forecast_lines(record)
    lines["step"] = [int(step) for step in lines["step"]]
    if "unix_time" in lines:
        lines["time"] = as_dates(lines.pop("unix_time"))
    names = [name for name in MAIN if name in lines]
    return {name: lines[name] for name in dict.fromkeys([*names, *lines])}


def as_dates(seconds: Sequence[float]) -> pd.DatetimeIndex:
    """The dates of seconds since 1970, none for seconds that no date stands for."""
    return pd.DatetimeIndex(pd.to_datetime(np.asarray(seconds), unit="s", errors="coerce"))
