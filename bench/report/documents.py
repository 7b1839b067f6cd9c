"""The Markdown page and the LaTeX document of a report."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.tables import Tables
from bench.analysis.unfinished import missing_cases
from bench.records.record import Record
from bench.report.escapes import escape_latex, escape_markdown
from bench.report.markup import latex_table, markdown_list, markdown_table
from bench.report.notes import notes, overall_lines
from bench.report.origin import harness_line, origin
from bench.report.sections import Section, sections
from bench.report.words import START, merge_intervals, not_measured_words

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[a3paper,landscape,margin=15mm]{geometry}
\usepackage{array,booktabs,longtable}
\begin{document}\scriptsize
"""

LINE_BREAK_ARGUMENT = re.compile(r"^(?=[\[*])", re.MULTILINE)
"""What at the start of a row would be an argument of the line break before it."""

Infos = Mapping[str, Mapping[str, Any]]
Figures = Mapping[tuple[str, ...], Sequence[Path]]
"""Files of the plots by run, task, device and dtype; `()` for plots of several sections."""


def markdown_page(
    tables: Tables,
    shown: Sequence[Section],
    infos: Infos,
    records: Sequence[Record],
    figures: Figures,
) -> str:
    """All tables with their plots, the notes, and the environment of each run. `shown` are the
    `merged_sections` of the tables."""
    blocks = [f"# Results of {escape_markdown(' and '.join(infos))}"]
    for section in shown:
        names = [path.name for path in figures.get(section.table_key, ())]
        blocks += _markdown_section(section, names)
    if lines := overall_lines(tables):
        blocks += ["## Over all models", markdown_list(lines)]
    if growth := figures.get((), ()):
        blocks += ["## Growth", *(f"![{path.stem}]({path.name})" for path in growth)]
    if len(tables.not_measured):
        blocks += ["## Not measured", markdown_table(not_measured_words(tables.not_measured))]
    if lines := notes(tables):
        blocks += ["## How to read the tables", markdown_list(lines)]
    blocks += ["## Environment", *(markdown_list(lines) for lines in _origins(infos, records))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def latex_document(
    tables: Tables, shown: Sequence[Section], infos: Infos, records: Sequence[Record]
) -> str:
    """A document that compiles on its own; each of its tables can be copied out. `shown` are the
    `merged_sections` of the tables."""
    captioned: list[tuple[str, pd.DataFrame]] = []
    for section in shown:
        about = f"{section.title}. {section.score}"
        captioned += [(f"Learning and gradients: {about}", section.learning)]
        captioned += [(f"Every score: {section.title}", section.all_scores)]
        for timed in section.speed:
            captioned += [(f"{timed.heading}: {section.title}. {timed.caption}", timed.table)]
        captioned += [(f"{START}: {section.title}", section.start)]
    captioned += [("Not measured", not_measured_words(tables.not_measured))]
    origins = ["; ".join(lines) for lines in _origins(infos, records)]
    lines = [*overall_lines(tables), *notes(tables), *origins]
    body = "\n".join(latex_table(caption, frame) for caption, frame in captioned if len(frame))
    body = LINE_BREAK_ARGUMENT.sub("{}", body)
    paragraphs = "\n\n".join(escape_latex(line) for line in lines)
    return f"{PREAMBLE}{body}\n{paragraphs}\n\\end{{document}}\n"


def merged_sections(tables: Tables) -> list[Section]:
    """The sections, with each interval written behind its value."""
    return [
        replace(
            section,
            learning=merge_intervals(section.learning),
            speed=[replace(t, table=merge_intervals(t.table)) for t in section.speed],
        )
        for section in sections(tables)
    ]


def _markdown_section(section: Section, images: Sequence[str]) -> list[str]:
    """Title, settings, the tables with their headings, and the images."""
    blocks = [f"## {escape_markdown(section.title)}", escape_markdown(section.settings)]
    if len(section.learning):
        blocks += ["### Learning and gradients", escape_markdown(section.score)]
        blocks += [markdown_table(section.learning)]
    if len(section.all_scores):
        blocks += ["### Every score", markdown_table(section.all_scores)]
    for timed in section.speed:
        blocks += [f"### {escape_markdown(timed.heading)}", escape_markdown(timed.caption)]
        blocks += [markdown_table(timed.table)]
    if len(section.start):
        blocks += [f"### {START}", markdown_table(section.start)]
    if section.generated_text:
        lines = [f"{title}: {text}" for title, text in section.generated_text.items()]
        blocks += ["### Written after training", markdown_list(lines)]
    return [*blocks, *(f"![{name.removesuffix('.png')}]({name})" for name in images)]


def _origins(infos: Infos, records: Sequence[Record]) -> list[list[str]]:
    """For each run the lines of its origin, the harness's share of time, and what is missing."""
    by_run: dict[str, list[Record]] = {}
    for record in records:
        by_run.setdefault(record.run, []).append(record)
    origins = []
    for run, info in infos.items():
        lines = [f"{name}: {value}" for name, value in origin(run, info).items()]
        of_run = by_run.get(run, ())
        more = (harness_line(of_run, info.get("sessions_s", [])), missing_cases(of_run, info))
        origins.append([*lines, *filter(None, more)])
    return origins
