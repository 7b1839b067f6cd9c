"""Numbers as text, and what all displayed tables share."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from bench.analysis.rows import ROW_KEYS

DASH = "–"
INTERVAL = " 95%"
"""The suffix of a column that holds the intervals of another column."""
TEXT_COLUMNS = (*ROW_KEYS, "by", "path", "flags", "probes", "status", "check", "verdict", "reason")
"""Columns of text are aligned to the left; columns of numbers to the right."""


def format_number(value: Any, digits: int = 3) -> str:
    """`0.000817`, `12.3`, `19,600`, `3.9e-07`, `∞`, and `–` for a missing value."""
    if value is None or pd.isna(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.split("e")[1])
    if not -4 <= exponent < 7:
        return scientific
    return f"{float(scientific):,.{max(0, digits - 1 - exponent)}f}"


def format_setting(value: Any) -> str:
    """A setting or a constant: `0.01`, `halves`, and `–` for None."""
    return DASH if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def format_interval(low: Any, high: Any, scale: float = 1.0) -> str:
    """`0.141–0.310`, and `–` where a bound is missing."""
    if pd.isna(low) or pd.isna(high):
        return DASH
    return f"{format_number(low * scale)}–{format_number(high * scale)}"


def format_flags(row: Any) -> str:
    """`*ws`: an asterisk and the letters of the flags; empty without flags."""
    return f"*{row.flags}" if row.flags else ""


def frame_rows(frame: pd.DataFrame) -> list[Any]:
    """The rows of a frame as named tuples."""
    return list(frame.itertuples())


def format_columns(
    frame: pd.DataFrame, columns: Mapping[str, Callable[[Any], str]]
) -> pd.DataFrame:
    """A frame of text: each column formats a row of `frame`. Columns without content are left
    out."""
    rows = frame_rows(frame)
    texts = {name: [format_row(row) for row in rows] for name, format_row in columns.items()}
    return pd.DataFrame(
        {name: column for name, column in texts.items() if not set(column) <= {DASH, ""}},
        dtype=object,
    )


def merge_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with each interval written behind its value: `0.155 [0.141–0.310]`."""
    frame = frame.copy()
    for name in [name for name in frame.columns if name.endswith(INTERVAL)]:
        interval = frame.pop(name)
        value = next(n for n in frame.columns if n.split(" (")[0] == name.removesuffix(INTERVAL))
        frame[value] = frame[value].where(interval == DASH, frame[value] + " [" + interval + "]")
        frame = frame.rename(columns={value: f"{value} [95%]"})
    return frame


def not_measured_words(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of what was not measured, without the columns that are the same in every row."""
    constant = [name for name in ("run", "device", "dtype") if frame[name].nunique() < 2]
    return frame.drop(columns=[*constant, "cases"])
