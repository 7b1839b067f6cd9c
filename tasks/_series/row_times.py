"""The order of rows by their times, and all that is wrong with these."""

from shlex import quote

import numpy as np
import pandas as pd

from tasks._series.file_table import MOST_ROWS, first_values, quoted_rows
from tasks._series.file_times import read_times
from tasks._series.spacing import Spacing, spacing_of
from tasks._series.user_file import FILLS, FileSettings, split

IN_ORDER = "leave out --time to take the rows in order"
FEWEST_ROWS = 3
"""Rows of a spacing, and of the average one of several series: a column that names each row names
no series."""


def ordered_rows(
    table: pd.DataFrame, file: FileSettings
) -> "tuple[pd.Series[float], str, list[str]]":
    """The line of the row at every place of an evenly spaced series, NaN at a gap; how the rows are
    ordered; and what is wrong with their times: if there is anything, the order means nothing.

    The index holds the times of the places, those of gaps between those of their neighbours:
    `unix_time` in seconds for dates, `time` for numbers. It has no name without a column of times.
    """
    lines = pd.Series(table.index)
    if not file.time_column:
        return lines, "in the order of the rows: no column of times (--time)", []
    names = split(file.time_column)
    texts = table[names[0]].str.cat(table[names[1:]], sep=" ")
    times, dated, problems = read_times(texts, file.time_format)
    repeated = times.duplicated() & times.notna()
    choice = _choice_of_series(table.drop(columns=[file.column, *names]), times)
    if repeated.any():
        rows, time = quoted_rows(texts[repeated]), texts[repeated].iloc[0]
        advice = "Delete rows, or write times with their offset (+01:00) if clocks were put back"
        problems.append(f"more than one row at {time}: again in {rows}. {choice or advice}")
    rising = times[~repeated].dropna().sort_values()
    if choice or len(rising) < FEWEST_ROWS:
        return lines, "", problems
    spacing = spacing_of(rising.to_numpy(), dated)
    problems += _gaps(spacing, texts[rising.index], file)
    if problems:
        return lines, "", problems
    places = np.arange(spacing.places[-1] + 1)
    grid = np.interp(places, spacing.places, rising)
    lines = pd.Series(rising.index, index=spacing.places).reindex(places)
    note = f"in {spacing.name}, by column {file.time_column!r}"
    note += "; rows sorted by time" * (not rising.index.is_monotonic_increasing)
    return lines.set_axis(pd.Index(grid, name="unix_time" if dated else "time")), note, []


def _choice_of_series(others: pd.DataFrame, times: "pd.Series[float]") -> str:
    """The option that chooses one of several series: a value of the column within whose values the
    fewest times repeat. Empty where no column tells rows at one time apart."""
    others, times = others[times.notna()], times.dropna()
    fewest, choice = int(times.duplicated().sum()), ""
    for heading, texts in others.items():
        repeats = int(pd.concat([times, texts], axis=1).duplicated().sum())
        if repeats < fewest and 1 < texts.nunique() <= len(texts) / FEWEST_ROWS:
            option = quote(f"{heading}={texts.iloc[0]}")
            fewest, choice = repeats, f"{option} ({heading!r} is {first_values(texts)})"
    return choice and f"Several series? Choose one, for example with --where {choice}"


def _gaps(spacing: Spacing, texts: "pd.Series[str]", file: FileSettings) -> list[str]:
    """The rows that are off the spacing, or the gaps, unless they are to be filled."""
    if spacing.off.any():
        return [
            f"times are not evenly spaced: {quoted_rows(texts[spacing.off])}, no whole number of "
            f"steps after the row before, in {spacing.name}. Correct the rows, or {IN_ORDER}"
        ]
    if not spacing.missing or (file.fill and spacing.missing <= len(texts)):
        return []
    steps = np.diff(spacing.places)
    late = np.flatnonzero(steps > 1)
    gaps = [f"{steps[k] - 1} before {quoted_rows(texts.iloc[[k + 1]])}" for k in late[:MOST_ROWS]]
    more = ", …" * (len(late) > MOST_ROWS)
    fill = f"Fill gaps with --fill {' or '.join(FILLS)}, "
    return [
        f"times in {spacing.name}, {spacing.missing} missing: {', '.join(gaps)}{more}. "
        f"{'More is missing than is there: ' if file.fill else fill}add the rows, or {IN_ORDER}"
    ]
