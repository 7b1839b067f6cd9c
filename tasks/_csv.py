"""A column of the user's own CSV file: read, or refused with the row and the column at fault."""

import csv
import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench.spec import Array, Unavailable
from tasks._dates import first_fault

LEAST_ROWS = 10
LARGEST, LEAST_CHANGE = 1e15, 1e-100
"""Far below the root of the largest number of float32, and far above that of the least of float64:
errors are squared."""
SHOWN = 300
"""Letters of a list of headings."""


@cache
def from_file(path: str, column: str, digest: str) -> Array:
    """A column of a user's CSV file, read-only. `Unavailable` names the row and the column of what
    is wrong; rows are counted as an editor counts lines, the heading being line 1.

    Columns of dates, those of text that is one and numbers below a heading that says so, must go
    forwards without gaps.
    """
    file = Path(path)
    heads, rows = _table(file, digest)
    if heads.count(column) != 1:
        has = "two columns" if column in heads else "no column"
        raise Unavailable(f"{file} has {has} {column!r}. It has: {_few(heads)}")
    if len(rows) < LEAST_ROWS:
        raise Unavailable(
            f"{file}, column {column!r}: {len(rows)} row{'s' * (len(rows) != 1)} of values; at "
            f"least {LEAST_ROWS} are needed"
        )
    others = [
        (name, [row[place].strip() for row in rows.values()])
        for place, name in enumerate(heads)
        if name != column
    ]
    if fault := first_fault(others):
        columns = f"column{'s' * (len(fault.columns) > 1)} {', '.join(map(repr, fault.columns))}"
        where = f"{file}, line {[*rows][fault.place]}, {columns}"
        raise Unavailable(f"{where}: {repr(fault.cell) if fault.cell else 'a gap'} {fault.why}")
    place = heads.index(column)
    series = np.array([_number(file, line, column, row[place]) for line, row in rows.items()])
    if (series == series[0]).all():
        raise Unavailable(f"{file}, column {column!r}: every value is {series[0]:g}")
    if np.ptp(series) < LEAST_CHANGE:
        raise Unavailable(
            f"{file}, column {column!r}: values differ by {np.ptp(series):g}, less than "
            f"{LEAST_CHANGE:g}. Take a smaller unit"
        )
    series.setflags(write=False)
    return series


def _table(file: Path, digest: str) -> tuple[list[str], dict[int, list[str]]]:
    """The headings, and the cells of each line that has any."""
    read: list[tuple[int, list[str]]] = []
    try:
        if digest and not sha256(file.read_bytes()).hexdigest().startswith(digest):
            raise Unavailable(f"{file} has changed since the run was begun")
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, strict=True)
            read.extend((reader.line_num, row) for row in reader)
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Unavailable(f"{file} is no CSV file in UTF-8: {error}") from error
    except csv.Error as error:
        begun = read[-1][0] + 1 if read else 1
        raise Unavailable(f"{file}, line {begun}: no row of a CSV file: {error}") from error
    filled = _whole(read)
    heads = [head.strip() for head in filled[0][1]] if filled else []
    rows = dict(filled[1:])
    first = "".join(filled[1][1]) if rows else ""
    mark = re.search(r"[;|\t]", heads[0]) if len(heads) == 1 else None
    if mark and mark[0] in first:
        raise Unavailable(
            f"{file}, line {filled[0][0]}: cells are parted by {mark[0]!r}, not by commas"
        )
    for line, row in rows.items():
        if len(row) != len(heads):
            fewer = len(row) < len(heads)
            where = (
                f"column {heads[len(row)]!r}" if fewer else f"after column {heads[-1]!r:.{SHOWN}}"
            )
            why = f"{len(row)} cells under {len(heads)} heading{'s' * (len(heads) != 1)}"
            why += "" if fewer else ". Commas part cells"
            raise Unavailable(f"{file}, line {line}, {where}: {why}")
    return heads, rows


def _few(heads: Sequence[str]) -> str:
    """As many as can be read."""
    text = ", ".join(heads) or "none"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} …"


def _whole(lines: Sequence[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Without blank lines: those before the heading and behind the last cell that holds something,
    and, where there is more than one column, those between. A line of empty cells is a gap."""
    filled = [k for k, (_, row) in enumerate(lines) if any(cell.strip() for cell in row)]
    inside = lines[filled[0] : filled[-1] + 1] if filled else []
    return [(line, row or [""]) for line, row in inside if row or len(inside[0][1]) == 1]


def _number(file: Path, line: int, column: str, cell: str) -> float:
    where = f"{file}, line {line}, column {column!r}"
    if not cell.strip():
        raise Unavailable(f"{where}: a gap. Fill it or leave it out, the choice is yours")
    try:
        number = float(cell.replace("_", "?"))
    except ValueError:
        comma = ": no commas within numbers" if "," in cell else ""
        raise Unavailable(f"{where}: {cell!r:.{SHOWN}} is no number{comma}") from None
    if not np.isfinite(number):
        raise Unavailable(f"{where}: {cell.strip()} is no finite number")
    if abs(number) > LARGEST:
        raise Unavailable(f"{where}: {cell.strip()} is beyond {LARGEST:g}. Take a larger unit")
    return number
