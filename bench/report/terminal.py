"""The report of a run in a terminal, and single tables for other commands."""

import io
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from bench.analysis.tables import Tables, build_tables
from bench.analysis.unfinished import missing_cases
from bench.records.folder import RunFolder
from bench.records.inert import inert, without_command
from bench.records.record import Record
from bench.report.notes import notes, overall_lines
from bench.report.origin import harness_line, origin
from bench.report.sections import Section, sections
from bench.report.terminal_table import (
    blank_repeated_cells,
    drop_columns,
    fit_columns,
    inert_frame,
    inert_text,
    rich_table,
)
from bench.report.words import START, not_measured_words

PLAIN_WIDTH = 120
"""Columns where the output is not a terminal."""
REPLACEMENTS = str.maketrans(
    dict(zip("–−─→×‖∞…", ("-", "-", "-", ">", "x", "|", "inf", "to"), strict=True))
)
"""For an encoding without these letters."""
MAX_NOT_MEASURED = 40
"""Rows of the table of what was not measured."""


def show_report(folder: RunFolder, records: Sequence[Record]) -> None:
    """Print the results of a run: in colour on a terminal, as plain text elsewhere."""
    _print(render(folder.id, records, folder.info(), *_terminal()))


def print_frame(
    first_lines: Sequence[str],
    frame: pd.DataFrame,
    last_line: str,
    expendable: Sequence[str] = (),
) -> None:
    """Print lines, one table and a last line. Empty columns are left out; where the terminal is
    narrow, expendable columns are dropped in turn before text is wrapped."""
    out, (width, terminal) = io.StringIO(), _terminal()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False)
    for line in first_lines:
        console.print(inert_text(line, "dim"))
    if len(frame):
        console.print(rich_table(drop_columns(inert_frame(frame), width, expendable)))
    console.print(inert_text(last_line, "bold"))
    _print(_stripped_lines(out))


def render(run: str, records: Sequence[Record], info: Any, width: int, terminal: bool) -> str:
    """The whole report as text; it has escape codes for a terminal only."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False)
    tables = build_tables(records, {run: info})
    for name, value in origin(run, info).items():
        console.print(Text.assemble((f"{name:<17}", "dim"), inert(value)))
    for section in sections(tables):
        _print_section(console, section)
    _print_not_measured(console, tables)
    last = (harness_line(records, info.get("sessions_s", [])), missing_cases(records, info))
    for line in [*overall_lines(tables), *notes(tables), *filter(None, last)]:
        console.print(inert_text(line))
    return _stripped_lines(out)


def encodable(text: str, encoding: str) -> str:
    """The text with the letters that the encoding lacks replaced."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(REPLACEMENTS).encode(encoding, errors="replace").decode(encoding)
    return text


def _print_section(console: Console, section: Section) -> None:
    console.print()
    console.print(inert_text(section.title, "bold"))
    if section.score:
        console.print(inert_text(section.score))
    titled = [("Learning", section.learning), ("Scores", section.all_scores)]
    titled += [(f"{t.heading}. {t.caption}", t.table) for t in section.speed]
    for title, frame in [*titled, (START, section.start)]:
        if len(frame):
            console.print(inert_text(title, "dim"))
            shown = inert_frame(blank_repeated_cells(frame))
            fitting = fit_columns(shown, console.width)
            console.print(rich_table(fitting))
            if dropped := [name for name in shown.columns if name not in fitting.columns]:
                console.print(inert_text(f"no room for: {'; '.join(dropped)}", "dim"))
    for title, text in section.generated_text.items():
        console.print(inert_text(f"Written by {title}: {text}"))


def _print_not_measured(console: Console, tables: Tables) -> None:
    console.print()
    if not len(tables.not_measured):
        return
    frame = inert_frame(not_measured_words(tables.not_measured))
    console.print(inert_text("Not measured", "bold"))
    console.print(rich_table(frame.head(MAX_NOT_MEASURED)))
    if len(frame) > MAX_NOT_MEASURED:
        console.print(inert_text(f"and {len(frame) - MAX_NOT_MEASURED} more"))
    console.print()


def _terminal() -> tuple[int, bool]:
    """The width of standard output, and whether it is a terminal."""
    terminal = sys.stdout.isatty()
    return shutil.get_terminal_size().columns if terminal else PLAIN_WIDTH, terminal


def _print(text: str) -> None:
    sys.stdout.write(encodable(text, sys.stdout.encoding or "utf-8"))
    sys.stdout.flush()


def _stripped_lines(out: io.StringIO) -> str:
    """What a console wrote, without spaces at the ends of lines."""
    return "\n".join(without_command(line.rstrip()) for line in out.getvalue().split("\n"))
