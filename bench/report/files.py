"""The files of a report: Markdown, CSV, LaTeX and PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.forecasts import forecast_table
from bench.analysis.tables import Tables, build_tables
from bench.plan.probes import PHASES
from bench.records.folder import RecordsError, RunFolder
from bench.records.record import Record
from bench.records.storage import replace_file
from bench.report import FORMATS
from bench.report.documents import Figures, Infos, latex_document, markdown_page, merged_sections
from bench.report.escapes import escape_csv
from bench.spec import Unavailable


def write_report(
    folders: Sequence[RunFolder],
    records: Sequence[Record],
    formats: Sequence[str],
    output: Path,
    phases: Sequence[str] = (),
) -> list[Path]:
    """Write the files into the folder `output` and return their paths. Without `phases`, all timed
    phases are shown. No two folders have the same name, see `RunFolder.told_apart`. Raises
    `Unavailable` for an unknown format or a phase that was not timed, and `RecordsError` where the
    folder cannot be written to."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise Unavailable(f"unknown format {unknown[0]!r}. Known: {', '.join(FORMATS)}")
    infos = {folder.id: folder.info() for folder in folders}
    tables = build_tables(records, infos, phases or PHASES)
    if missing := [phase for phase in phases if phase not in tables.phases]:
        timed = ", ".join(build_tables(records, infos).phases) or "nothing"
        raise Unavailable(f"phase {missing[0]!r} was not timed in these runs. Timed: {timed}")
    try:
        output.mkdir(parents=True, exist_ok=True)
        figures = _draw(tables, output) if "plots" in formats else {}
        texts = _texts(tables, infos, records, formats, figures)
        for name, text in texts.items():
            replace_file(output / name, text.encode())
    except OSError as error:
        raise RecordsError(f"cannot write to {output}: {error.strerror or error}") from error
    images = [path for paths in figures.values() for path in paths]
    return [*(output / name for name in texts), *images]


def _draw(tables: Tables, output: Path) -> Figures:
    from bench.report.plots import plots  # imports matplotlib

    return plots(tables, output)


def _texts(
    tables: Tables,
    infos: Infos,
    records: Sequence[Record],
    formats: Sequence[str],
    figures: Figures,
) -> dict[str, str]:
    """The contents of the text files, by file name."""
    texts: dict[str, str] = {}
    shown = merged_sections(tables) if {"markdown", "latex"} & {*formats} else []
    if "markdown" in formats:
        texts["tables.md"] = markdown_page(tables, shown, infos, records, figures)
    if "csv" in formats:
        texts["learning.csv"] = _csv(tables.learning)
        texts["speed.csv"] = _csv(tables.speed)
        if len(tables.latency):
            texts["latency.csv"] = _csv(tables.latency)
        texts["not_measured.csv"] = _csv(tables.not_measured)
        if len(forecasts := forecast_table(tables.rows)):
            texts["forecasts.csv"] = _csv(forecasts)
    if "latex" in formats:
        texts["tables.tex"] = latex_document(tables, shown, infos, records)
    return texts


def _csv(frame: pd.DataFrame) -> str:
    """Raw numbers, not rounded; several numbers in one field are separated by semicolons."""
    fields = frame.map(_field).rename(columns=escape_csv)
    return str(fields.to_csv(index=False, lineterminator="\n"))


def _field(value: Any) -> Any:
    if isinstance(value, tuple):
        return ";".join(map(repr, value))
    return escape_csv(value) if isinstance(value, str) else value
