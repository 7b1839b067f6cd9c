"""A column of the user's own CSV file: read, or refused with the row and the column at fault."""

import csv
import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import numpy as np

from bench.spec import Array, Unavailable

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 10
NUMBERED = ("year", "time", "date", "datetime", "timestamp", "ds", "month")
"""Last words of headings below which numbers are points in time, months if they have their year."""
NAMED = ("date", "datetime", "timestamp", "ds")
"""Last words of headings below which text must be."""
COMPACT = {8: "%Y%m%d", 6: "%Y%m"}
"""How dates are written that are numbers, by their digits."""
DATED = re.compile(r"\d{4}|\d+[-/.]\d+[-/.]\d+")
"""What a cell holds that may be a date: a year, or three numbers."""
LATE, OFTEN, REPEATED = 1.5, 0.1, 3
"""Steps are late that are so many times as long as their median. They are gaps unless they come
again after as many steps, as weekends do: always, being this share of the steps, or mostly, and at
least so many times."""
FAR = 4
"""Steps so many times as long as the median of those that come again are gaps all the same."""
LARGEST = 1e15
"""Far below the root of the largest number of float32: errors are squared."""
BACK = "does not come after the {} before it. Put the rows in order"


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
        raise Unavailable(f"{file} has {has} {column!r}. It has: {', '.join(heads) or 'none'}")
    if len(rows) < LEAST_ROWS:
        raise Unavailable(
            f"{file}, column {column!r}: {len(rows)} row{'s' * (len(rows) != 1)} of values; at "
            f"least {LEAST_ROWS} are needed"
        )
    for place, name in enumerate(heads):
        if name != column:
            _in_order(file, name, {line: row[place].strip() for line, row in rows.items()})
    place = heads.index(column)
    series = np.array([_number(file, line, column, row[place]) for line, row in rows.items()])
    if (series == series[0]).all():
        raise Unavailable(f"{file}, column {column!r}: every value is {series[0]:g}")
    series.setflags(write=False)
    return series


def _table(file: Path, digest: str) -> tuple[list[str], dict[int, list[str]]]:
    """The headings, and the cells of each line that has any."""
    try:
        if digest and not sha256(file.read_bytes()).hexdigest().startswith(digest):
            raise Unavailable(f"{file} has changed since the run was begun")
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, strict=True)
            filled = _whole([(reader.line_num, row) for row in reader])
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unavailable(f"{file} is no CSV file in UTF-8: {error}") from error
    heads = [head.strip() for head in filled[0][1]] if filled else []
    rows = dict(filled[1:])
    if len(heads) == 1 and (mark := re.search(r"[;\t]", heads[0])):
        raise Unavailable(
            f"{file}, line {filled[0][0]}: cells are parted by {mark[0]!r}, not by commas"
        )
    for line, row in rows.items():
        if len(row) != len(heads):
            fewer = len(row) < len(heads)
            where = f"column {heads[len(row)]!r}" if fewer else f"after column {heads[-1]!r}"
            why = f"{len(row)} cells under {len(heads)} headings"
            raise Unavailable(f"{file}, line {line}, {where}: {why}")
    return heads, rows


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
        raise Unavailable(f"{where}: {cell!r} is no number") from None
    if not np.isfinite(number):
        raise Unavailable(f"{where}: {cell.strip()} is no finite number")
    if abs(number) > LARGEST:
        raise Unavailable(f"{where}: {cell.strip()} is beyond {LARGEST:g}. Take a larger unit")
    return number


def _in_order(file: Path, name: str, cells: Mapping[int, str]) -> None:
    """Raises for the first cell of a column of dates that does not come after the one before it,
    or comes more than one step after it."""
    texts = list(cells.values())
    fault = (_out_of_turn if all(map(_is_number, texts)) else _no_next_date)(name, texts)
    if fault:
        at, why = fault
        cell = repr(texts[at]) if texts[at] else "a gap"
        raise Unavailable(f"{file}, line {list(cells)[at]}, column {name!r}: {cell} {why}")


def _out_of_turn(name: str, texts: Sequence[str]) -> tuple[int, str] | None:
    """Of numbers below a heading of time the first that is less than the one before it, or that
    comes late. They may stay the same: a year has many months."""
    if not _ends(name, NUMBERED):
        return None
    dates = _compact(texts)
    if dates is not None:
        return _uneven(dates, "date")
    steps = np.diff(np.array(texts, dtype=np.float64))
    if _ends(name, ("month",)):
        return None
    if (steps < 0).any():
        return int(np.argmax(steps < 0)) + 1, f"{BACK.format('number')}, or rename {name!r}"
    return _uneven(np.array(texts, dtype=np.float64), "number") if (steps > 0).all() else None


def _ends(name: str, words: Sequence[str]) -> bool:
    """Whether one of the words is the last of a heading, such as `unix_time`."""
    return ([w for w in re.split(r"[^a-z]+", name.lower()) if w] or [""])[-1] in words


def _compact(texts: Sequence[str]) -> Array | None:
    """Seconds of dates written as numbers, such as 20260131 or 202601; or None."""
    form = COMPACT.get(len(texts[0]))
    if not form or any(len(text) != len(texts[0]) or not text.isdigit() for text in texts):
        return None
    import pandas as pd

    found = pd.Series(pd.to_datetime(list(texts), format=form, errors="coerce", utc=True))
    return None if found.isna().any() else _seconds(found)


def _seconds(dates: "pd.Series[pd.Timestamp]") -> Array:
    return (dates - dates.iloc[0]).dt.total_seconds().to_numpy()


def _no_next_date(name: str, texts: Sequence[str]) -> tuple[int, str] | None:
    """The first cell of a column of dates that is none, or not the next one."""
    if not DATED.search(texts[0]) or _instants(texts[:1], day_first=False).isna().any():
        why = f"is no date that can be read. Write 2026-01-31, or rename {name!r}"
        return (0, why) if _ends(name, NAMED) else None
    readings = [_instants(texts, day_first=day_first) for day_first in (False, True)]
    found = min(readings, key=lambda dates: (dates.isna().sum(), (dates.diff().dt.days < 0).sum()))
    if found.isna().any():
        return int(np.argmax(found.isna())), "is no date, as those above it are"
    return _uneven(_seconds(found), "date")


def _uneven(times: Array, kind: str) -> tuple[int, str] | None:
    """The first that does not come after the one before it, or comes late once in a while."""
    steps = np.diff(times)
    if (steps <= 0).any():
        return int(np.argmax(steps <= 0)) + 1, BACK.format(kind)
    late = np.flatnonzero(steps > LATE * np.median(steps))
    if len(late) and _again_and_again(late, len(steps)):
        late = late[steps[late] > FAR * np.median(steps[late])]
    if not len(late):
        return None
    why = (
        f"comes more than a step after the {kind} before it: a gap. Fill it, or leave out the "
        f"column of {kind}s, the choice is yours"
    )
    return int(late[0]) + 1, why


def _again_and_again(late: Array, count: int) -> bool:
    """Whether late steps are none that is missing, but recur. `late` has their places."""
    apart = np.diff(late)
    alike = float(np.mean(apart == np.median(apart))) if len(apart) else 0.0
    return (len(late) >= OFTEN * count and alike == 1) or (len(apart) >= REPEATED and alike > 0.5)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _instants(texts: Sequence[str], day_first: bool) -> "pd.Series[pd.Timestamp]":
    """Points in time, all written as the first one is; NaT for what is not."""
    import pandas as pd

    with catch_warnings():
        simplefilter("ignore")  # that no format was found, or that days come first all the same
        return pd.Series(pd.to_datetime(list(texts), errors="coerce", utc=True, dayfirst=day_first))
