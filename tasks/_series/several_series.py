"""Whether rows at the same time are several series, and the conditions that choose one of them."""

from typing import Any

import pandas as pd

MOST_CONDITIONS = 3
MOST_VALUES = 6
FEWEST_ROWS = 3
"""Rows that the average series must have: a column that names each row names no series."""


def choice_of_series(cells: pd.DataFrame, times: "pd.Series[Any]") -> str:
    """Which options choose one of several series, and the values of their columns; empty where no
    column tells the rows at one time apart. The columns of `cells` are the headings to choose
    from."""
    conditions = _conditions(cells, times)
    if not conditions:
        return ""
    options = " ".join(f"--where {_shell_word(f'{h}={value}')}" for h, value in conditions.items())
    values = "; ".join(f"{heading!r} is {_values_of(cells[heading])}" for heading in conditions)
    return f"Are these several series? Choose one, for example with {options} ({values})"


def _conditions(cells: pd.DataFrame, times: "pd.Series[Any]") -> dict[str, str]:
    """The values of as few columns as possible that leave one row at each time."""
    conditions: dict[str, str] = {}
    while times.duplicated().any() and len(conditions) < MOST_CONDITIONS:
        heading = _best_column(cells, times)
        if heading is None:
            break
        value = cells[heading].value_counts().index[0]
        conditions[heading] = value
        keep = cells[heading] == value
        cells, times = cells[keep].drop(columns=heading), times[keep]
    return {} if times.duplicated().any() else conditions


def _best_column(cells: pd.DataFrame, times: "pd.Series[Any]") -> str | None:
    """The column within whose values the fewest times repeat; it has several values."""
    repeats = {
        str(heading): int(pd.concat([times, cells[heading]], axis=1).duplicated().sum())
        for heading in cells
        if 1 < cells[heading].nunique() <= len(cells) / FEWEST_ROWS
    }
    best = min(repeats, key=lambda heading: repeats[heading], default=None)
    return best if best is not None and repeats[best] < int(times.duplicated().sum()) else None


def _values_of(texts: "pd.Series[str]") -> str:
    """`DE, FR or IT`, or the first values and how many more there are."""
    *values, last = texts.drop_duplicates()
    if len(values) >= MOST_VALUES:
        return f"{', '.join(values[:MOST_VALUES])} or {len(values) + 1 - MOST_VALUES} more"
    return f"{', '.join(values)} or {last}"


def _shell_word(text: str) -> str:
    return text if text.replace("=", "").replace("_", "").isalnum() else f"'{text}'"
