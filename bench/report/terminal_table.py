"""Tables for a terminal: as many columns as fit its width."""

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from bench.plan.probes import PHASE_NAMES
from bench.records.inert import inert
from bench.report.words import DASH, INTERVAL, SPREADS, TEXT_COLUMNS

REASON_WIDTH = 24
"""The least width of the column of reasons, in characters."""
OPTIONAL_COLUMNS = (
    *(f"{name}{spread}" for name in (*PHASE_NAMES.values(), "score") for spread in SPREADS),
    *("parity error", "steps to solve", "memory (MiB)", "path", "first calls (s)", "NaN/Inf"),
    *("paced p50 (µs)", "window (µs)", "paced p99 (µs)", "first call (s)"),
    *("× floor", "GFLOP/s", "sequences/s", f"solved{INTERVAL}", "tolerance", "open (s)"),
)
"""Columns that are shown as far as there is room, the most important first."""


def fit_columns(frame: pd.DataFrame, width: int) -> pd.DataFrame:
    """All columns that are not optional, and the optional ones that still fit, in their order."""
    widths = _column_widths(frame)
    names = {name for name in frame.columns if name not in OPTIONAL_COLUMNS}
    for candidate in (name for name in OPTIONAL_COLUMNS if name in frame):
        if _table_width([widths[name] for name in (*names, candidate)]) <= width:
            names.add(candidate)
    return frame[[name for name in frame.columns if name in names]]


def drop_columns(frame: pd.DataFrame, width: int, expendable: Sequence[str]) -> pd.DataFrame:
    """The frame without its empty columns and without as many of the expendable ones, in turn, as
    it takes to leave the reasons enough room."""
    frame = frame.loc[:, ~frame.isin(("", DASH)).all()]
    for name in (name for name in expendable if name in frame):
        others = frame.drop(columns="reason", errors="ignore")
        if _width(others) + (REASON_WIDTH if "reason" in frame else 0) <= width:
            break
        frame = frame.drop(columns=name)
    return frame


def inert_text(value: object, style: str = "") -> Text:
    """The value as a line that steers neither the terminal nor rich, which prints it as it is."""
    return Text(inert(value), style=style)


def inert_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with text that cannot steer the terminal in its headings and entries."""
    return frame.map(inert).rename(columns=inert)


def rich_table(frame: pd.DataFrame) -> Table:
    """The frame of `inert_frame` as a table in which only cells and reasons are wrapped."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in frame.columns:
        alignment = "left" if name in TEXT_COLUMNS else "right"
        table.add_column(
            Text(two_lines(name)),
            justify=alignment,  # type: ignore[arg-type]
            no_wrap=name not in ("cell", "reason"),
            overflow="fold",
            min_width=REASON_WIDTH if name == "reason" else None,
        )
    for values in frame.itertuples(index=False):
        table.add_row(*(Text(str(value)) for value in values))
    return table


def two_lines(heading: Any) -> str:
    """The heading broken between two words so that its longer line is as short as possible."""
    words = str(heading).split(" ")
    breaks = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words))]
    if not breaks:
        return str(heading)
    return "\n".join(min(breaks, key=lambda lines: max(map(len, lines))))


def blank_repeated_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with each cell named only in the first of its rows."""
    if "cell" not in frame:
        return frame
    repeated = frame["cell"] == frame["cell"].shift()
    return frame.assign(cell=frame["cell"].mask(repeated, ""))


def _width(frame: pd.DataFrame) -> int:
    """Characters that the table takes."""
    return _table_width(_column_widths(frame).values())


def _table_width(widths: Collection[int]) -> int:
    """Characters of columns this wide, two between them, and one after the last."""
    return sum(widths) + 2 * len(widths) - 1


def _column_widths(frame: pd.DataFrame) -> dict[str, int]:
    """Characters of the widest entry of each column, by name; names must differ."""
    return {
        str(name): max([*map(len, two_lines(name).split("\n")), *map(len, entries)])
        for name, entries in frame.items()
    }
