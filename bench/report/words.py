"""Numbers as text, and what all displayed tables share."""

import math
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pandas as pd

from bench.analysis.rows import ROW_KEYS
from bench.analysis.statistics import MIN_FOR_INTERVAL, MIN_FOR_RANGE

DASH = "–"
INTERVAL, RANGE = " 95%", " range"
"""Suffixes of a column that holds the intervals of another column."""
SPREADS = (INTERVAL, RANGE, f"{RANGE} or{INTERVAL}")
START = "First calls, memory and kernels"
"""The heading of the table of what is not a steady time."""
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


def format_rank(best: Any, worst: Any) -> str:
    """`2`, `2–4` where intervals overlap, and `–` for a row that is not ranked."""
    if pd.isna(best):
        return DASH
    return str(best) if best == worst else f"{best}–{worst}"


def spread_column(name: str, counts: "pd.Series[int]") -> str:
    """The heading of the intervals of medians of so many values: `score range`, `score 95%`, or
    `score range or 95%` where some rows have only a range."""
    some_range, some_interval = _has_range(counts).any(), _has_interval(counts).any()
    return name + SPREADS[2 if some_range and some_interval else 0 if some_interval else 1]


def spread_name(counts: "pd.Series[int]") -> str:
    """What the intervals of medians of so many values are, for a sentence; empty where too few
    values have none."""
    names = {
        "range": _has_range(counts).any(),
        "95% interval": _has_interval(counts).any(),
    }
    return " or ".join(name for name, is_there in names.items() if is_there)


def format_counts(counts: "pd.Series[int]") -> str:
    """`3`, or `3 to 5`."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _has_range(counts: "pd.Series[int]") -> "pd.Series[bool]":
    return counts.between(MIN_FOR_RANGE, MIN_FOR_INTERVAL - 1)


def _has_interval(counts: "pd.Series[int]") -> "pd.Series[bool]":
    return counts >= MIN_FOR_INTERVAL


def format_flags(row: Any) -> str:
    """`*ws`: an asterisk and the letters of the flags; empty without flags."""
    return f"*{row.flags}" if row.flags else ""


def frame_rows(frame: pd.DataFrame) -> list[Any]:
    """The rows of a frame as named tuples."""
    row_type = _row_type(tuple(map(str, frame.columns)))
    return [row_type._make(values) for values in row_values(frame)]


def row_values(frame: pd.DataFrame) -> list[list[Any]]:
    """The values of each row. `itertuples` cuts out every column first, which takes longer."""
    values: list[list[Any]] = frame.to_numpy(dtype=object).tolist()
    return values


@cache
def _row_type(columns: tuple[str, ...]) -> Any:
    """The type of the rows of frames with these columns: it takes longer to make than the rows."""
    return namedtuple("Row", columns, rename=True)


def format_columns(
    frame: pd.DataFrame, columns: Mapping[str, Callable[[Any], str]]
) -> pd.DataFrame:
    """A frame of text: each column formats a row of `frame`. Columns without content are left
    out, except the ranks: that nothing is ranked must be seen."""
    rows = frame_rows(frame)
    texts = {name: [format_row(row) for row in rows] for name, format_row in columns.items()}
    return pd.DataFrame(
        {
            name: column
            for name, column in texts.items()
            if name == "rank" or not set(column) <= {DASH, ""}
        },
        dtype=object,
    )


def merge_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with each interval written behind its value: `0.155 [0.141–0.310]`."""
    columns = frame.to_dict("list")
    for name in [name for name in columns if str(name).endswith(SPREADS)]:
        intervals = columns.pop(name)
        value = next(n for n in columns if str(name).startswith(f"{str(n).split(' (')[0]} "))
        spread = str(name).removeprefix(f"{str(value).split(' (')[0]} ")
        pairs = zip(columns[value], intervals, strict=True)
        columns[value] = [text if i == DASH else f"{text} [{i}]" for text, i in pairs]
        new_names = {value: f"{value} [{spread}]"}
        columns = {new_names.get(n, n): texts for n, texts in columns.items()}
    return pd.DataFrame(columns, dtype=object)


def not_measured_words(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of what was not measured, without the columns that are the same in every row."""
    constant = [name for name in ("run", "device", "dtype") if frame[name].nunique() < 2]
    return frame.drop(columns=[*constant, "cases"])
