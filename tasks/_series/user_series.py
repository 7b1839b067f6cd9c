"""A column of the user's file as a series: chosen rows, in the order of time, checked and filled.

All that is wrong with the values and the times is reported at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from bench.spec import Array, Unavailable
from tasks._series.catalogue import Series
from tasks._series.file_numbers import Numbers, change_problem, read_numbers
from tasks._series.file_table import Table, first_values, read_table
from tasks._series.quoting import quoted_rows
from tasks._series.row_times import TimedRows, quoted_columns, timed_rows
from tasks._series.user_file import FILLS, FileSettings, split

TRAINING_SHARE = 0.8
"""The share of a user's series that is its training part."""
FEWEST_ROWS = 10


@dataclass(frozen=True, eq=False)
class UserSeries:
    """Values, read-only, with their times: seconds since 1970 if `dated`, else the numbers of the
    file; None where rows were taken in order. `note` says what was read."""

    values: Array
    times: Array | None
    dated: bool
    note: str


@lru_cache(maxsize=8)
def user_series(file: FileSettings, period: int) -> Series:
    """The series of a user's file, split: the first four fifths are its training part.

    Raises `Unavailable` as `read_user_series` does.
    """
    values = read_user_series(file).values
    return Series(
        name=f"{file.data}, column {file.column!r}",
        read=lambda: values,
        digest=None,
        train=int(TRAINING_SHARE * len(values)),
        end=len(values),
        period=period or None,
        season=period or 1,
    )


@lru_cache(maxsize=8)
def read_user_series(file: FileSettings) -> UserSeries:
    """Read a series. Raises `Unavailable`, which lists all that is wrong with its rows, or the
    columns of the file where none is named."""
    table = _table(file)
    missing = split(file.missing) if file.missing else None
    texts = table.texts(file.column)
    numbers = read_numbers(texts, table.lines, decimal=file.decimal, missing=missing)
    rows = timed_rows(table, file)
    name = f"{table.file}, column {file.column!r}"
    _refuse(name, [*numbers.problems, *rows.problems, *_count_problems(table, numbers, file)])
    values, filled = _filled(numbers.values[rows.order], rows, file.fill)
    if np.isnan(values).any():
        ends = "values at the start or the end are missing: delete these rows"
        _refuse(name, [f"{ends}, since --fill {file.fill} does not reach them"])
    _refuse(name, [problem] if (problem := change_problem(values)) else [])
    values.setflags(write=False)
    times = rows.spacing.grid if rows.spacing else None
    return UserSeries(values, times, rows.dated, f"{name}: {_note(values, rows, file, filled)}")


def _table(file: FileSettings) -> Table:
    """The rows that meet every condition; all columns that the user names exist."""
    table = read_table(Path(file.data), file.separator, file.digest)
    if not file.column:
        raise Unavailable(
            f"{table.file}: name the column to forecast with --column NAME, and the column of "
            f"times, if there is one, with --time NAME. {table.columns()}"
        )
    for heading in (file.column, *split(file.time_column)):
        table.texts(heading)
    for condition in split(file.where):
        table = _where(table, condition)
    return table


def _where(table: Table, condition: str) -> Table:
    """The rows that meet the condition `NAME=VALUE`; the name may hold an equals sign, too."""
    if "=" not in condition:
        raise Unavailable(f"--where takes NAME=VALUE, not {condition!r}")
    fitting = [heading for heading in table.headings if condition.startswith(f"{heading}=")]
    heading = max(fitting, key=len, default=condition.partition("=")[0])
    texts, value = table.texts(heading), condition[len(heading) + 1 :].strip()
    if not (texts == value).any():
        raise Unavailable(
            f"{table.file}: no row has {value!r} in column {heading!r}. It has: "
            f"{first_values(texts)}"
        )
    return table.chosen(texts == value)


def _count_problems(table: Table, numbers: Numbers, file: FileSettings) -> list[str]:
    problems = []
    if numbers.missing.any() and not file.fill:
        problems.append(
            f"{quoted_rows(table.lines[numbers.missing])}: no value. Fill missing values with "
            f"--fill {' or '.join(FILLS)}, or delete the rows"
        )
    if (count := len(table.lines)) < FEWEST_ROWS:
        rows = f"{count} row{'s' * (count != 1)} of values"
        problems.append(f"{rows}; at least {FEWEST_ROWS} are needed. Use a longer series")
    return problems


def _refuse(name: str, problems: Sequence[str]) -> None:
    """Raise `Unavailable` if there are problems."""
    if len(problems) == 1:
        raise Unavailable(f"{name}: {problems[0]}")
    if problems:
        raise Unavailable("\n  - ".join([f"{name}: {len(problems)} problems", *problems]))


def _filled(values: Array, rows: TimedRows, fill: str) -> tuple[Array, int]:
    """The values at every place of the spacing, and how many of them were filled in."""
    series = pd.Series(values)
    if rows.spacing:
        places = np.arange(len(rows.spacing.grid))
        series = pd.Series(values, index=rows.spacing.positions).reindex(places)
    missing = int(series.isna().sum())
    if missing and fill == "forward":
        series = series.ffill()
    elif missing:
        series = series.interpolate("linear", limit_area="inside")
    return series.to_numpy(np.float64, copy=True), missing


def _note(values: Array, rows: TimedRows, file: FileSettings, filled: int) -> str:
    """What was read: how many values, by which times, and what was filled."""
    if rows.spacing is None:
        parts = [f"{len(values)} values, the rows taken in order: no column of times (--time)"]
    else:
        parts = [f"{len(values)} values in {rows.spacing.name}, by {quoted_columns(file)}"]
        if (np.diff(rows.order) < 0).any():
            parts.append("rows sorted by time")
    if filled:
        gaps = rows.spacing.missing if rows.spacing else 0
        parts.append(
            f"{filled} filled (--fill {file.fill}): {gaps} in gaps, {filled - gaps} without a value"
        )
    return "; ".join(parts)
