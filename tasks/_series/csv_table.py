"""The user's CSV file as headings and rows of cells, or refused with the line at fault.

Lines are counted as an editor counts them.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.spec import Unavailable

MOST_SHOWN = 300
"""Characters of the user's text that a message quotes."""


@dataclass(frozen=True)
class Table:
    """The headings, and the cells of each row by its line in the file."""

    file: Path
    headings: Sequence[str]
    rows: dict[int, list[str]]

    def cells(self, index: int) -> list[str]:
        """The cells of a column, from the first row to the last."""
        return [cells[index] for cells in self.rows.values()]


def read_table(file: Path, digest: str) -> Table:
    """Read a CSV file in UTF-8: a line of headings, then as many cells in every row.

    Raises `Unavailable` if it cannot be read, is not such a file, or, unless `digest` is empty, if
    its sha256 does not begin with `digest`.
    """
    lines = _without_blank_lines(_read_lines(file, digest))
    headings = [cell.strip() for cell in lines[0][1]] if lines else []
    rows = dict(lines[1:])
    if rows:
        _check_separator(file, lines[0][0], headings, "".join(lines[1][1]))
    for line, cells in rows.items():
        _check_width(file, line, headings, len(cells))
    return Table(file, headings, rows)


def _read_lines(file: Path, digest: str) -> list[tuple[int, list[str]]]:
    """The cells of each line, beside its number."""
    lines: list[tuple[int, list[str]]] = []
    try:
        if digest and not sha256(file.read_bytes()).hexdigest().startswith(digest):
            raise Unavailable(
                f"{file} has changed since the run began. Restore the file, or begin a new run"
            )
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(text, strict=True)
            lines.extend((reader.line_num, cells) for cells in reader)
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Unavailable(f"{file} is not a CSV file in UTF-8: {error}. Save it as one") from error
    except csv.Error as error:
        start = lines[-1][0] + 1 if lines else 1  # `extend` kept the lines before the error
        raise Unavailable(
            f"{file}, line {start}: not a row of a CSV file: {error}. Check the quotation marks, "
            "from this line on"
        ) from error
    return lines


def _without_blank_lines(lines: Sequence[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Leave out lines that are no rows.

    These are the lines before the headings and after the last cell with text. Between rows they
    are blank lines, except in a file with one column, where a blank line is an empty cell.
    """
    filled = [k for k, (_, cells) in enumerate(lines) if any(cell.strip() for cell in cells)]
    inside = lines[filled[0] : filled[-1] + 1] if filled else []
    return [(line, cells or [""]) for line, cells in inside if cells or len(inside[0][1]) == 1]


def _check_separator(file: Path, line: int, headings: Sequence[str], first_row: str) -> None:
    separator = re.search(r"[;|\t]", headings[0]) if len(headings) == 1 else None
    if separator and separator[0] in first_row:
        raise Unavailable(
            f"{file}, line {line}: cells are separated by {separator[0]!r}, not by commas. Save "
            "the file with commas between cells and points in decimals"
        )


def _check_width(file: Path, line: int, headings: Sequence[str], count: int) -> None:
    if count == len(headings):
        return
    cells = f"{count} cells under {len(headings)} heading{'s' * (len(headings) != 1)}"
    if count < len(headings):
        where, advice = f"column {headings[count]!r}", "Fill the row in"
    else:
        where = f"after column {headings[-1]!r:.{MOST_SHOWN}}"
        advice = "Commas separate cells: write decimals with points, and text with commas in quotes"
    raise Unavailable(f"{file}, line {line}, {where}: {cells}. {advice}")
