"""Files from records: Markdown, CSV, LaTeX and plots."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.tables import Tables, build_tables
from bench.records.folder import RecordsError, RunFolder
from bench.records.record import Record
from bench.report.markup import latex_document, markdown_list, markdown_section, markdown_table
from bench.report.origin import harness_line, origin
from bench.report.sections import Section, notes, overall_lines, sections
from bench.report.words import joined, not_measured_words
from bench.spec import Unavailable

FORMATS = ("markdown", "csv", "latex", "plots")

Infos = Mapping[str, Mapping[str, Any]]
Named = list[tuple[str, pd.DataFrame]]


def write_report(
    folders: Sequence[RunFolder], records: Sequence[Record], formats: Sequence[str], output: Path
) -> list[Path]:
    """The files written below `output`. Raises `Unavailable` for an unknown format and
    `RecordsError` where the folder cannot be written to."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise Unavailable(f"unknown format {unknown[0]!r}. Known: {', '.join(FORMATS)}")
    if len({folder.path.resolve() for folder in folders}) > len({folder.id for folder in folders}):
        raise RecordsError("two of these runs bear the same name: rename the folder of one")
    infos = {folder.id: folder.info() for folder in folders}
    made = build_tables(records, infos)
    try:
        output.mkdir(parents=True, exist_ok=True)
        return _written(made, infos, records, formats, output)
    except OSError as error:
        raise RecordsError(f"cannot write to {output}: {error.strerror or error}") from error


def _written(
    made: Tables, infos: Infos, records: Sequence[Record], formats: Sequence[str], output: Path
) -> list[Path]:
    figures: Mapping[tuple[str, ...], Sequence[Path]] = {}
    if "plots" in formats:
        from bench.report.plots import plots

        figures = plots(made, output)
    texts: dict[str, str] = {}
    if "markdown" in formats:
        texts["tables.md"] = _markdown(made, infos, records, figures)
    if "csv" in formats:
        texts |= {f"{name}.csv": _csv(frame) for name, frame in _raw(made)}
    if "latex" in formats:
        texts["tables.tex"] = _latex(made, infos, records)
    for name, text in texts.items():
        (output / name).write_text(text, encoding="utf-8")
    drawn = [path for paths in figures.values() for path in paths]
    return [*(output / name for name in texts), *drawn]


def _raw(made: Tables) -> Named:
    found = [("learning", made.learning), ("speed", made.speed)]
    return [*found, ("not_measured", made.not_measured)]


def _csv(frame: pd.DataFrame) -> str:
    """Raw numbers, not rounded; several in one field are separated by semicolons."""

    def flat(value: Any) -> Any:
        return ";".join(map(repr, value)) if isinstance(value, tuple) else value

    return str(frame.map(flat).to_csv(index=False, lineterminator="\n"))


def _markdown(
    made: Tables,
    infos: Infos,
    records: Sequence[Record],
    figures: Mapping[tuple[str, ...], Sequence[Path]],
) -> str:
    parts = [f"# Results of {' and '.join(infos)}"]
    for section in map(_joined, sections(made)):
        names = [path.name for path in figures.get(section.place, ())]
        parts.append(markdown_section(section, names))
    if lines := overall_lines(made.overall):
        parts += ["## Over all models", markdown_list(lines)]
    for path in figures.get((), ()):
        parts += ["## Growth", f"![How the time of a step grows]({path.name})"]
    if len(made.not_measured):
        parts += ["## Not measured", markdown_table(not_measured_words(made.not_measured))]
    if lines := notes(made):
        parts += ["## How to read the tables", markdown_list(lines)]
    parts += ["## Environment", *(markdown_list(lines) for lines in _origins(infos, records))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _origins(infos: Infos, records: Sequence[Record]) -> list[list[str]]:
    """The environment of each run, and what its harness took."""
    found = []
    for run, info in infos.items():
        own = [record for record in records if record.run == run]
        harness = harness_line(own, info.get("sessions_s", []))
        lines = [f"{name}: {value}" for name, value in origin(run, info).items()]
        found.append([*lines, *([harness] if harness else [])])
    return found


def _latex(made: Tables, infos: Infos, records: Sequence[Record]) -> str:
    found: Named = []
    for section in map(_joined, sections(made)):
        about = f"{section.title}. {section.score}"
        found += [(f"Learning and gradients: {about}", section.learning)]
        found += [(f"Every score: {section.title}", section.measures)]
        found += [(f"Speed and memory: {section.title}", section.speed)]
    found.append(("Not measured", not_measured_words(made.not_measured)))
    origins = ["; ".join(lines) for lines in _origins(infos, records)]
    lines = [*overall_lines(made.overall), *notes(made), *origins]
    return latex_document([(title, frame) for title, frame in found if len(frame)], lines)


def _joined(section: Section) -> Section:
    return replace(section, learning=joined(section.learning), speed=joined(section.speed))
