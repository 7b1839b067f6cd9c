"""A user's file as a table of text: headings, and rows that know their line in the file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from bench.spec import Array, Unavailable
from tasks._series.file_text import read_text

SEPARATORS = {r"\t": "\t", "tab": "\t", " ": r"\s+"}
"""Separators that are written otherwise than pandas takes them; a space stands for any number."""
USUAL_SEPARATORS = ";\t|,"
MOST_SHOWN = 60
"""Characters of the user's text that a message quotes."""
MOST_COLUMNS, MOST_VALUES = 40, 3
"""Columns of a file, and values of a column, that a message lists."""


@dataclass(frozen=True, eq=False)
class Table:
    """`cells` holds the text of every row, its columns numbered as the headings; `lines` the line
    of each row in the file, counted from 1."""

    file: Path
    headings: Sequence[str]
    cells: pd.DataFrame
    lines: Array

    def texts(self, heading: str) -> "pd.Series[str]":
        """The cells under a heading, without the blanks around them. Raises `Unavailable`, which
        lists the columns, unless there is one such heading."""
        if self.headings.count(heading) == 1:
            return self.cells[self.headings.index(heading)].str.strip()
        if heading in self.headings:
            lead = f"has {self.headings.count(heading)} columns {heading!r}: rename all but one."
        else:
            by_small = {name.lower(): name for name in self.headings}
            similar = [by_small[n] for n in get_close_matches(heading.lower(), by_small, n=1)]
            hint = f"; did you mean {similar[0]!r}?" if similar else "."
            lead = f"has no column {heading!r}{hint}"
        raise Unavailable(f"{self.file} {lead} {self.columns()}")

    def columns(self) -> str:
        """A list of the columns with their first values, and what line 1 was taken for."""
        lines = [
            f"  {heading[:MOST_SHOWN] or '(no heading)'}: {first_values(self.cells[number])}"
            for number, heading in enumerate(self.headings[:MOST_COLUMNS])
        ]
        if len(self.headings) > MOST_COLUMNS:
            lines.append(f"  and {len(self.headings) - MOST_COLUMNS} more")
        return "\n".join([f"Its columns:{self._doubt()}", *lines])

    def _doubt(self) -> str:
        """A hint where the first line hardly holds the headings."""
        only = self.headings[0]
        if only.startswith("#"):
            return f" (line 1 is taken for the headings. {comment_advice(self.file)})"
        if len(self.headings) == 1 and (found := _separator_in(only)):
            return f" (cells seem to be separated by {found!r}: give --separator {_quoted(found)})"
        return ""

    def chosen(self, keep: "pd.Series[bool]") -> "Table":
        """The table with these rows only."""
        cells = self.cells[keep].reset_index(drop=True)
        return replace(self, cells=cells, lines=self.lines[keep.to_numpy()])


def comment_advice(file: Path) -> str:
    return (
        "If lines of comments come first, delete them, for example by "
        f"grep -v '^#' {file.name} > new.csv"
    )


def first_values(texts: "pd.Series[str]") -> str:
    """The first different values of a column, as a message lists them."""
    values = [value[:MOST_SHOWN] or "(empty)" for value in texts.str.strip().drop_duplicates()]
    return ", ".join(values[:MOST_VALUES]) + ", …" * (len(values) > MOST_VALUES)


def read_table(file: Path, separator: str, digest: str) -> Table:
    """Read a CSV file: a line of headings, then rows. Blank lines are left out, except inside a
    file of one column, where a blank line is a missing value.

    Raises `Unavailable` if it cannot be read, is no such file, or has changed (`digest`).
    """
    text = read_text(file, digest)
    body = text.lstrip("\n").rstrip()
    if not body:
        raise Unavailable(f"{file} is empty: it needs a line of headings, then one row a line")
    cells = _parsed(file, body, separator)
    lines = 1 + len(text) - len(text.lstrip("\n")) + _lines_before(cells)
    if len(cells.columns) > 1:
        keep = _rows_to_keep(cells, body, lines - lines[0])
        cells, lines = cells[keep], lines[keep]
    headings = [heading.strip() for heading in cells.iloc[0]]
    if len(cells) == 1:
        raise Unavailable(f"{file} has no rows below its headings: {', '.join(headings)}")
    return Table(file, headings, cells.iloc[1:].reset_index(drop=True), lines[1:])


def _parsed(file: Path, body: str, separator: str) -> pd.DataFrame:
    if len(separator) != 1 and separator not in SEPARATORS:
        raise Unavailable(rf"--separator must be one character, or \t for a tab, not {separator!r}")
    try:
        return pd.read_csv(
            StringIO(body),
            sep=SEPARATORS.get(separator, separator),
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise Unavailable(f"{file}{_why_not_parsed(file, body, str(error))}") from error


def _why_not_parsed(file: Path, body: str, message: str) -> str:
    """What pandas found, with the line, and what to do."""
    first = body.partition("\n")[0]
    if ragged := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        expected, line, count = ragged.groups()
        problem = (
            f", line {line}: {count} cells, but line 1, which is taken for the headings, has "
            f"{expected}: {first[:MOST_SHOWN]!r}. "
        )
        if expected == "1" and (found := _separator_in(first)):
            return problem + f"Give --separator {_quoted(found)} if cells are separated so"
        if expected == "1" or first.startswith("#"):
            return problem + comment_advice(file)
        return problem + "Put text with separators into quotes, and see --separator and --decimal"
    if quote := re.search(r"inside string starting at row (\d+)", message):
        line = str(int(quote[1]) + 1)
        return f", line {line}: a quotation mark is never closed. Check them from this line on"
    return f" is not a table that pandas reads: {' '.join(message.split())}"


def _separator_in(heading: str) -> str | None:
    return next((mark for mark in USUAL_SEPARATORS if mark in heading), None)


def _quoted(separator: str) -> str:
    return r"'\t'" if separator == "\t" else f"'{separator}'"


def _lines_before(cells: pd.DataFrame) -> Array:
    """How many lines of the file come before each row: cells in quotes may hold several."""
    inside = np.sum([cells[column].str.count("\n") for column in cells], axis=0)
    before = np.concatenate(([0], np.cumsum(inside)[:-1]))
    return np.asarray(np.arange(len(cells)) + before, dtype=int)


def _rows_to_keep(cells: pd.DataFrame, body: str, places: Array) -> Array:
    """All rows but blank lines, and rows of empty cells after the last one with text."""
    lines = body.split("\n")
    filled = (cells != "").any(axis=1).to_numpy()
    last = int(np.flatnonzero(filled)[-1])
    written = np.array([bool(lines[place].strip()) for place in places])
    return np.asarray((filled | written) & (np.arange(len(cells)) <= last))
