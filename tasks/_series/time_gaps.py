"""What is told about times that are missing, or lie off the spacing of the others."""

import numpy as np
import pandas as pd

from bench.spec import Array
from tasks._series.file_times import Times
from tasks._series.quoting import MOST_LINES, MOST_TEXT, quoted_rows
from tasks._series.spacing import Spacing
from tasks._series.user_file import FILLS, FileSettings

CHANGE_MONTHS, CHANGE_HOURS, SUNDAY = (3, 4, 9, 10, 11), range(5), 6
"""When clocks are changed."""
IN_ORDER = "leave out --time to take the rows in order"


def uneven_problem(rising: "pd.Series[pd.Timestamp] | pd.Series[float]") -> str:
    steps = rising.diff().dropna()
    least, middle, most = (
        f"{step:g}" if isinstance(step, float) else str(step)
        for step in (steps.min(), steps.median(), steps.max())
    )
    return (
        f"times are not evenly spaced: from row to row they rise by {least} to {most}, the median "
        f"is {middle}. Make the spacing even, or {IN_ORDER}"
    )


def gap_problem(
    spacing: Spacing, lines: Array, texts: "pd.Series[str]", file: FileSettings, times: Times
) -> list[str]:
    """The problems of rows in the order of time: those off the spacing, or the gaps, unless they
    are to be filled."""
    if len(off := spacing.off):
        return [
            f"{quoted_rows(lines[off], texts.iloc[off])}: off the spacing of the other rows, "
            f"{spacing.name}. Correct or delete them, or {IN_ORDER}"
        ]
    if not spacing.missing or (file.fill and spacing.missing <= len(lines)):
        return []
    steps = np.diff(spacing.positions)
    late = np.flatnonzero(steps > 1)
    places = [
        f"{steps[k] - 1} before line {lines[k + 1]} ({texts.iloc[k + 1][:MOST_TEXT]!r})"
        for k in late[:MOST_LINES]
    ]
    more = f" and in {len(late) - MOST_LINES} more gaps" if len(late) > MOST_LINES else ""
    return [
        f"times in {spacing.name}, {spacing.missing} missing: {', '.join(places)}{more}. "
        f"{_advice(file)}{clock_change(times, texts.index[late + 1])}"
    ]


def _advice(file: FileSettings) -> str:
    if file.fill:
        return f"More is missing than is there: add the rows, or {IN_ORDER}"
    return f"Fill gaps with --fill {' or '.join(FILLS)}, add the rows, or {IN_ORDER}"


def clock_change(times: Times, rows: "pd.Series[bool] | pd.Index[int]") -> str:
    """A hint where times without a zone go wrong only when clocks are changed."""
    assert times.values is not None
    if not times.are_dates or times.zoned:
        return ""
    dates = pd.DatetimeIndex(times.values)
    wrong = pd.DatetimeIndex(times.values.loc[rows])
    nights = (wrong.day_of_week == SUNDAY) & wrong.hour.isin(CHANGE_HOURS)
    if (dates == dates.normalize()).all() or not (nights & wrong.month.isin(CHANGE_MONTHS)).all():
        return ""
    return (
        ". Clocks are changed in such a night: write times in UTC, or with their offset, such as "
        "+01:00"
    )
