"""A user's CSV file as a table of text whose rows know their line in the file."""

import lzma
import re
import zipfile
import zlib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from bench.spec import Unavailable
from tasks._series.user_file import FileSettings

MOST_COLUMNS, MOST_ROWS, MOST_VALUES, MOST_TEXT = 40, 4, 3, 60
"""Columns, rows, values of a column, and characters of a cell that a message quotes."""
MOST_HEADINGS, MOST_CELLS = 20_000, 10_000_000
PACKED_OTHERWISE = re.compile(r"\.(tar|tar\.\w+|tgz|zst|7z|rar)$", re.IGNORECASE)
UNREADABLE = (
    *(OSError, EOFError, ValueError, lzma.LZMAError, zlib.error),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError),
)
"""What a damaged, ragged or packed file raises; an encrypted one raises RuntimeError."""


def read_table(file: FileSettings) -> pd.DataFrame:
    """The cells of a CSV file as text without the blanks around it, its columns named by line 1.
    The index holds the line of each row, counted from 1. Empty rows at the end are left out.

    Raises `Unavailable` if the file cannot be read, has no rows, or is not that of the digest.
    """
    if PACKED_OTHERWISE.search(file.data):
        raise Unavailable("is packed in a way that is not read: unpack it, or pack it by gzip")
    try:
        if not sha256(Path(file.data).read_bytes()).hexdigest().startswith(file.digest):
            raise Unavailable("has changed since the run began. Restore it, or begin a new run")
        cells = pd.read_csv(
            file.data,
            sep={r"\t": "\t", " ": r"\s+"}.get(file.separator, file.separator),
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            nrows=MOST_CELLS,
            engine="c" if file.separator.isascii() else "python",
            encoding="utf-8-sig",
        )
    except UNREADABLE as error:
        raise Unavailable(_why_not_read(error)) from error
    if cells.size > MOST_CELLS or cells.shape[1] > MOST_HEADINGS:
        raise Unavailable(
            f"has {cells.shape[1]} columns and at least {len(cells)} rows; at most {MOST_HEADINGS} "
            f"columns and {MOST_CELLS} cells are read. Keep what is needed in a smaller file"
        )
    texts = pd.Series(cells.to_numpy(object).ravel())
    breaks = texts.str.count("\n").to_numpy().reshape(cells.shape).sum(axis=1)
    lines = 1 + np.arange(len(cells)) + np.cumsum(breaks) - breaks
    cells = pd.DataFrame(texts.str.strip().to_numpy().reshape(cells.shape), index=lines)
    filled = np.flatnonzero((cells != "").any(axis=1))
    rows = cells.iloc[1 : filled.max(initial=0) + 1]
    if rows.empty:
        raise Unavailable("has no rows below its headings")
    return rows.set_axis(list(cells.iloc[0]), axis=1)


def _why_not_read(error: Exception) -> str:
    """What could not be read, with the line, and what to do."""
    message = " ".join(str(getattr(error, "strerror", None) or error).split())
    if isinstance(error, pd.errors.EmptyDataError):
        return "is empty, or begins with an empty line: it needs headings in line 1"
    if isinstance(error, UnicodeDecodeError):
        return "is not text in UTF-8. Save it so, for example by iconv -f latin1 -t utf-8 OLD > NEW"
    if ragged := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        return (
            f"line {ragged[2]}: {ragged[3]} cells, but line 1, which is taken for the headings, "
            f"has {ragged[1]}. Name the mark between cells by --separator, put text that holds it "
            "into quotes, and delete lines above the headings"
        )
    if quote := re.search(r"inside string starting at row (\d+)", message):
        return f"line {int(quote[1]) + 1}: a quotation mark is never closed. Check from there on"
    return f"cannot be read: {message}"


def check_column(table: pd.DataFrame, heading: str) -> None:
    """Raise `Unavailable`, which lists the columns, unless there is one such heading."""
    if (count := list(table.columns).count(heading)) != 1:
        columns = f"{count} columns {heading!r}: rename" if count else f"no column {heading!r}"
        raise Unavailable(f"has {columns}. {columns_of(table)}")


def columns_of(table: pd.DataFrame) -> str:
    """A list of the columns with their first values."""
    headings = list(table.columns)
    marks = [mark for mark in ";\t|," if len(headings) == 1 and mark in headings[0]]
    hint = f" (if {marks[0]!r} is between cells, give --separator {marks[0]!r})" if marks else ""
    lines = [
        f"  {heading[:MOST_TEXT] or '(no heading)'}: {first_values(table.iloc[:, number])}"
        for number, heading in enumerate(headings[:MOST_COLUMNS])
    ]
    return "\n".join([f"Its columns, named by line 1{hint}:", *lines]) + "\n  …" * (
        len(headings) > MOST_COLUMNS
    )


def first_values(texts: "pd.Series[str]") -> str:
    """The first different values of a column, as a message lists them."""
    values = [value[:MOST_TEXT] or "(empty)" for value in texts.drop_duplicates()]
    return ", ".join(values[:MOST_VALUES]) + ", …" * (len(values) > MOST_VALUES)


def quoted_rows(texts: "pd.Series[str]") -> str:
    """`line 7 ('many')`, or `3 rows, lines 7 ('many'), 9 ('few'), 12 ('')`; long lists end in `…`.
    The index of `texts` holds the lines."""
    rows = [f"{line} ({text[:MOST_TEXT]!r})" for line, text in texts.iloc[:MOST_ROWS].items()]
    if len(texts) == 1:
        return f"line {rows[0]}"
    return f"{len(texts)} rows, lines {', '.join(rows)}" + ", …" * (len(texts) > MOST_ROWS)
