"""The rows of a table in the order of their times, and all that is wrong with these."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.spec import Array
from tasks._series.file_table import Table
from tasks._series.file_times import Times, read_times
from tasks._series.quoting import quoted_rows
from tasks._series.several_series import choice_of_series
from tasks._series.spacing import FEWEST_SPACED, Spacing, spacing_of_dates, spacing_of_numbers
from tasks._series.time_gaps import clock_change, gap_problem, uneven_problem
from tasks._series.user_file import FileSettings, split


@dataclass(frozen=True, eq=False)
class TimedRows:
    """`order` are the rows of the table in the order of time. `spacing` is None where there is no
    column of times or no even spacing."""

    order: Array
    problems: Sequence[str] = ()
    spacing: Spacing | None = None
    dated: bool = False


def timed_rows(table: Table, file: FileSettings) -> TimedRows:
    """Read the times of the rows, and check that they are evenly spaced, without repeats."""
    in_order = np.arange(len(table.lines))
    if not file.time_column:
        return TimedRows(in_order)
    first, *others = (table.texts(heading) for heading in split(file.time_column))
    texts = first.str.cat(pd.DataFrame(dict(enumerate(others))), sep=" ") if others else first
    times = read_times(texts, table.lines, file.time_format)
    rows = _ordered(table, file, texts, times)
    problems = [
        f"{quoted_columns(file)}: {problem}" for problem in (*times.problems, *rows.problems)
    ]
    return TimedRows(rows.order, problems, rows.spacing, times.are_dates)


def quoted_columns(file: FileSettings) -> str:
    """`column 'date'`, or `columns 'date' and 'hour'`."""
    names = split(file.time_column)
    return f"column{'s' * (len(names) > 1)} {' and '.join(map(repr, names))}"


def _ordered(table: Table, file: FileSettings, texts: "pd.Series[str]", times: Times) -> TimedRows:
    """The order and the spacing of the rows whose time could be read."""
    if times.values is None:
        return TimedRows(np.arange(len(texts)))
    problems = []
    repeated = times.values.duplicated() & times.values.notna()
    if repeated.any():
        choice = _choice_of_series(table, file, times)
        advice = choice or f"Delete the rows that are too many{clock_change(times, repeated)}"
        again = f"times come again in {quoted_rows(table.lines[repeated])}"
        problems.append(f"more than one row at {texts[repeated].iloc[0]}: {again}. {advice}")
        if choice:
            return TimedRows(np.arange(len(texts)), problems)
    rising = times.values[~repeated].dropna().sort_values()
    order = rising.index.to_numpy()
    if len(order) < FEWEST_SPACED:
        return TimedRows(order, problems)
    spacing = (
        spacing_of_dates(pd.DatetimeIndex(rising))
        if times.are_dates
        else spacing_of_numbers(rising.to_numpy(np.float64))
    )
    if spacing is None:
        problems.append(uneven_problem(rising))
    else:
        problems += gap_problem(spacing, table.lines[order], texts[order], file, times)
    return TimedRows(order, problems, spacing)


def _choice_of_series(table: Table, file: FileSettings, times: Times) -> str:
    assert times.values is not None
    used = {file.column, *split(file.time_column)}
    others = [h for h in table.headings if h not in used and table.headings.count(h) == 1]
    cells = pd.DataFrame({h: table.texts(h) for h in others}, index=times.values.index)
    read = times.values.notna()
    return choice_of_series(cells[read], times.values[read])
