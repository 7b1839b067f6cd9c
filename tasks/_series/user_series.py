"""A column of the user's own file as a series: rows in the order of time, checked and filled.

All that is wrong with the values and the times is told at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from bench.spec import Array, Unavailable
from tasks._series.catalogue import Series
from tasks._series.file_numbers import read_numbers
from tasks._series.file_table import check_column, columns_of, first_values, read_table
from tasks._series.row_times import ordered_rows
from tasks._series.user_file import FileSettings, split

TRAINING_SHARE = 0.8
"""The share of a user's series that is its training part."""
FEWEST_VALUES = 10


@dataclass(frozen=True, eq=False)
class UserSeries:
    """Values, read-only, with their `times`: `unix_time` in seconds for dates, `time` for numbers;
    empty where rows were taken in order. `note` says what was read."""

    values: Array
    times: Mapping[str, Array]
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
    """Read a series. Raises `Unavailable`, which names the file and all that is wrong with its
    rows, or lists its columns where none is to be forecast."""
    try:
        return _read(_chosen_rows(file), file)
    except Unavailable as error:
        raise Unavailable(f"{file.data}: {error}") from error


def _read(table: pd.DataFrame, file: FileSettings) -> UserSeries:
    numbers, problems = read_numbers(table[file.column], file)
    if len(table) < FEWEST_VALUES:
        problems.append(f"only {len(table)} of at least {FEWEST_VALUES} rows. Use a longer series")
    lines, order, time_problems = ordered_rows(table, file)
    problems += time_problems
    series = numbers.reindex(lines)
    linear = file.fill == "linear"
    filled = series.interpolate("linear", limit_area="inside") if linear else series.ffill()
    if not problems and filled.isna().any():
        problems.append(
            f"values at the start or the end are missing, where --fill {file.fill} does not reach: "
            "delete these rows"
        )
    if problems:
        several = f"{len(problems)} problems\n  - " if len(problems) > 1 else ""
        raise Unavailable(f"column {file.column!r}: {several}" + "\n  - ".join(problems))
    note = f"{file.data}, column {file.column!r}: {len(series)} values {order}"
    if missing := int(series.isna().sum()):
        gaps = len(series) - len(numbers)
        note += f"; {missing} filled (--fill {file.fill}): {gaps} in gaps, "
        note += f"{missing - gaps} without a value"
    values, times = filled.to_numpy(copy=True), lines.index
    values.setflags(write=False)
    return UserSeries(values, {str(times.name): times.to_numpy()} if times.name else {}, note)


def _chosen_rows(file: FileSettings) -> pd.DataFrame:
    """The rows that meet every condition; all columns that the user names exist."""
    table = read_table(file)
    if not file.column:
        raise Unavailable(
            "name the column to forecast with --column NAME, and the column of times, if there is "
            f"one, with --time NAME. {columns_of(table)}"
        )
    for heading in (file.column, *split(file.time_column)):
        check_column(table, heading)
    for condition in split(file.where):
        heading, _, value = condition.partition("=")
        check_column(table, heading)
        texts = table[heading]
        table = table[texts == value.strip()]
        if table.empty:
            values = first_values(texts)
            raise Unavailable(f"no row has {value!r} in column {heading!r}. It has: {values}")
    return table
