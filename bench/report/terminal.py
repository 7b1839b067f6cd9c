"""The tables of a run in a terminal: as many columns as fit, none of them wrapped."""

import io
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis.tables import Tables, build_tables
from bench.records.folder import RunFolder
from bench.records.record import Record
from bench.report.origin import harness_line, origin
from bench.report.sections import Section, notes, overall_lines, sections
from bench.report.words import DASH, INTERVAL, TEXT, not_measured_words

PLAIN_WIDTH = 120
PLAIN = str.maketrans(dict(zip("–−─→×‖∞", ("-", "-", "-", ">", "x", "|", "inf"), strict=True)))
"""For an encoding that lacks these letters."""
REASON = 24
"""Columns that a reason gets at least."""
LONGEST = 40
"""Rows of the table of what was not measured."""
IN_TURN = (
    *(f"step{INTERVAL}", f"score{INTERVAL}", "parity error", "steps to solve", "forward (ms)"),
    *("gradients (ms)", "memory (MiB)", "path", "rank", "first calls (s)", "NaN/Inf"),
    *("GFLOP/s", "sequences/s", f"solved{INTERVAL}", "tolerance", "open (s)"),
    *(f"forward{INTERVAL}", f"gradients{INTERVAL}"),
)
"""Columns that are shown as far as there is room, the most needed first."""


def show_report(folder: RunFolder, records: Sequence[Record]) -> None:
    """Print what a run found: in colour on a terminal, as plain text of 120 columns elsewhere."""
    _print(render(folder.id, records, folder.info(), *_terminal()))


def print_frame(
    before: Sequence[str], frame: pd.DataFrame, after: str, spare: Sequence[str] = ()
) -> None:
    """Print lines, one table and a last line. Columns that say nothing are left out, then, where
    the terminal is narrow, those to spare in turn; then text is wrapped."""
    out, (width, terminal) = io.StringIO(), _terminal()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False)
    for line in before:
        console.print(Text(line, style="dim"))
    if len(frame):
        console.print(_table(_roomy(frame, width, spare)))
    console.print(Text(after, style="bold"))
    _print(_lines(out))


def _terminal() -> tuple[int, bool]:
    """The width of standard output, and whether it is a terminal."""
    terminal = sys.stdout.isatty()
    return shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH, terminal


def _print(text: str) -> None:
    sys.stdout.write(printable(text, sys.stdout.encoding or "utf-8"))
    sys.stdout.flush()


def _lines(out: io.StringIO) -> str:
    """What a console wrote, without the blanks at the ends of its lines."""
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def printable(text: str, encoding: str) -> str:
    """The text in letters that this encoding has."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(encoding, errors="replace").decode(encoding)
    return text


def render(run: str, records: Sequence[Record], info: Any, width: int, terminal: bool) -> str:
    """The whole report as text, with escape codes for a terminal only."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False)
    made = build_tables(records, {run: info})
    for name, value in origin(run, info).items():
        console.print(Text.assemble((f"{name:<14}", "dim"), value))
    for section in sections(made):
        _show_section(console, section)
    _show_missing(console, made)
    harness = harness_line(records, info.get("sessions_s", []))
    for line in [*overall_lines(made.overall), *notes(made), *([harness] if harness else [])]:
        console.print(Text(line))
    return _lines(out)


def _show_section(console: Console, section: Section) -> None:
    console.print()
    console.print(Text(section.title, style="bold"))
    if section.score:
        console.print(Text(section.score))
    shown = (("Learning", section.learning), ("Scores", section.measures), ("Speed", section.speed))
    for title, frame in shown:
        if len(frame):
            kept = fitted(_cells_once(frame), console.width)
            console.print(_table(kept))
            if gone := [name for name in frame.columns if name not in kept.columns]:
                console.print(Text(f"{title}, no room for: {'; '.join(gone)}", style="dim"))
    for who, text in section.written.items():
        console.print(Text(f"Written by {who}: {' '.join(text.split())}"))


def _show_missing(console: Console, made: Tables) -> None:
    if not len(made.not_measured):
        console.print()
        return
    words = not_measured_words(made.not_measured)
    console.print()
    console.print(Text("Not measured", style="bold"))
    console.print(_table(words.head(LONGEST)))
    if len(words) > LONGEST:
        console.print(Text(f"and {len(words) - LONGEST} more"))
    console.print()


def fitted(frame: pd.DataFrame, width: int) -> pd.DataFrame:
    """The columns that are always shown, and of the others those that still fit, in turn."""
    kept = [name for name in frame.columns if name not in IN_TURN]
    for candidate in IN_TURN:
        wider = [name for name in frame.columns if name in kept or name == candidate]
        if _width(frame[wider]) <= width:
            kept = wider
    return frame[kept]


def _roomy(frame: pd.DataFrame, width: int, spare: Sequence[str]) -> pd.DataFrame:
    """The columns that say something, less as many to spare as it takes to read the reasons."""
    kept = frame.loc[:, ~frame.isin(("", DASH)).all()]
    for name in (name for name in spare if name in kept):
        others = kept.drop(columns="reason", errors="ignore")
        if _width(others) + (REASON if "reason" in kept else 0) <= width:
            break
        kept = kept.drop(columns=name)
    return kept


def _width(frame: pd.DataFrame) -> int:
    """Characters that the table takes: its columns, two between them, one after the last."""
    widest = [
        max([*map(len, two_lines(name).split("\n")), *map(len, frame[name])]) for name in frame
    ]
    return sum(widest) + 2 * len(widest) - 1


def two_lines(head: Any) -> str:
    """A head of several words broken where its longer line is the shortest."""
    words = str(head).split(" ")
    ways = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words))]
    return "\n".join(min(ways, key=lambda way: max(map(len, way)))) if ways else str(head)


def _cells_once(frame: pd.DataFrame) -> pd.DataFrame:
    """Each cell named in the first of its rows only."""
    if "cell" not in frame:
        return frame
    repeated = frame["cell"] == frame["cell"].shift()
    return frame.assign(cell=frame["cell"].mask(repeated, ""))


def _table(frame: pd.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in frame.columns:
        side = "left" if name in TEXT else "right"
        table.add_column(
            Text(two_lines(name)),
            justify=side,  # type: ignore[arg-type]
            no_wrap=name not in ("cell", "reason"),
            overflow="fold",
            min_width=REASON if name == "reason" else None,
        )
    for values in frame.itertuples(index=False):
        table.add_row(*(Text(str(value)) for value in values))
    return table
