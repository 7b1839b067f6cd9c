"""A column of numbers of the user's CSV file, or refused with the line and the column at fault."""

from functools import cache
from pathlib import Path

import numpy as np

from bench.spec import Array, Unavailable
from tasks._series.csv_table import MOST_SHOWN, Table, read_table
from tasks._series.date_columns import first_fault

FEWEST_ROWS = 10
LARGEST, SMALLEST_CHANGE = 1e15, 1e-100
"""Errors are squared: the largest value is far below the root of the largest float32, and the
smallest change far above the root of the smallest float64."""


@cache
def read_column(path: str, column: str, digest: str) -> Array:
    """A column of a CSV file, read-only.

    The other columns are searched for dates, which must go forwards without gaps. Raises
    `Unavailable` with the line and the column of what is wrong.
    """
    table = read_table(Path(path), digest)
    index = _index(table, column)
    _check_count(table, column)
    _check_dates(table, column)
    series = np.array(
        [_number(table.file, line, column, cells[index]) for line, cells in table.rows.items()]
    )
    _check_changes(f"{table.file}, column {column!r}", series)
    series.setflags(write=False)
    return series


def _index(table: Table, column: str) -> int:
    """The index of the only column with this heading."""
    if table.headings.count(column) != 1:
        headings = ", ".join(table.headings) or "none"
        if len(headings) > MOST_SHOWN:
            headings = f"{headings[:MOST_SHOWN]} …"
        problem = "has two columns" if column in table.headings else "has no column"
        advice = "Rename one of the two" if column in table.headings else "Name one with --column"
        raise Unavailable(f"{table.file} {problem} {column!r}. It has: {headings}. {advice}")
    return table.headings.index(column)


def _check_count(table: Table, column: str) -> None:
    if (count := len(table.rows)) < FEWEST_ROWS:
        raise Unavailable(
            f"{table.file}, column {column!r}: {count} row{'s' * (count != 1)} of values; at "
            f"least {FEWEST_ROWS} are needed. Use a longer series"
        )


def _check_dates(table: Table, column: str) -> None:
    """Raise `Unavailable` if a column of dates does not go forwards one step at a time."""
    others = [
        (heading, [cell.strip() for cell in table.cells(index)])
        for index, heading in enumerate(table.headings)
        if heading != column
    ]
    if fault := first_fault(others):
        headings = ", ".join(map(repr, fault.headings))
        columns = f"column{'s' * (len(fault.headings) > 1)} {headings}"
        cell = repr(fault.text) if fault.text else "an empty cell"
        line = [*table.rows][fault.row]
        raise Unavailable(f"{table.file}, line {line}, {columns}: {cell} {fault.problem}")


def _number(file: Path, line: int, column: str, cell: str) -> float:
    where, text = f"{file}, line {line}, column {column!r}", cell.strip()
    if not text:
        raise Unavailable(
            f"{where}: a gap. Every row needs a number: fill the cell in, or delete the row"
        )
    try:
        number = float(cell.replace("_", "?"))
    except ValueError:
        advice = "Write a number such as 1234.5" + ", without commas" * ("," in cell)
        raise Unavailable(f"{where}: {cell!r:.{MOST_SHOWN}} is not a number. {advice}") from None
    if not np.isfinite(number):
        raise Unavailable(f"{where}: {text} is not a finite number. Write one, or delete the row")
    if abs(number) > LARGEST:
        raise Unavailable(f"{where}: {text} is beyond {LARGEST:g}. Use a larger unit")
    return number


def _check_changes(where: str, series: Array) -> None:
    if (series == series[0]).all():
        raise Unavailable(f"{where}: every value is {series[0]:g}. Choose a column that changes")
    if (change := np.ptp(series)) < SMALLEST_CHANGE:
        raise Unavailable(
            f"{where}: values differ by {change:g}, less than {SMALLEST_CHANGE:g}. Use a smaller "
            "unit"
        )
