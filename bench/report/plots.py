"""PNG files from the tables: the figures of each section, and the figure of growth."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.analysis.rows import TABLE_KEYS, Row, rows_by_table
from bench.analysis.tables import Tables
from bench.plan.probes import ADVANCE, PHASE_NAMES
from bench.records.storage import replace_file
from bench.report.figures import (
    gradient_figure,
    gradient_norm_figure,
    learning_figure,
)
from bench.report.forecast_figure import forecast_figure
from bench.report.growth import growth_figure
from bench.report.sections import split_by_table
from bench.report.styles import LineStyle, line_styles
from bench.report.time_figures import time_figures

PLAIN_TEXT: Any = {"text.parse_math": False, "text.usetex": False}
"""Names hold dollar signs, and a `matplotlibrc` that lies beside the records may ask for TeX."""
STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.06,
    "savefig.dpi": 140,
    **PLAIN_TEXT,
}

LONGEST_NAME = 80
"""Letters of a title in the name of a file."""

TableKey = tuple[str, ...]
"""Run, task, device and dtype; `()` for a figure over several sections."""


def plots(tables: Tables, output: Path) -> dict[TableKey, list[Path]]:
    """Draw the rows with proven parity into PNG files in an existing folder; return the files by
    section. Needs no display."""
    proven = [row for row in tables.rows if not row.unproven]
    styles = line_styles(row.backend for row in tables.rows)
    groups = rows_by_table(proven)
    speed_of, latency_of = split_by_table(tables.speed), split_by_table(tables.latency)
    titles = {key: _title(key, groups) for key in groups}
    file_names = dict(zip(titles, _file_names(titles.values()), strict=True))
    paths: dict[TableKey, list[Path]] = {}
    with rc_context(STYLE):
        for key, rows in groups.items():
            title = titles[key]
            timed = _timed_figures(
                title, speed_of(key), latency_of(key), tables.speed_phases, styles
            )
            for name, figures in [*_trained_figures(title, rows, styles), *timed]:
                path = output / f"{name}-{file_names[key]}.png"
                paths.setdefault(key, []).extend(save_pages(figures, path))
        for phase in tables.speed_phases:
            if growth := growth_figure(proven, tables.speed, phase, styles):
                paths.setdefault((), []).append(save(growth, output / f"growth-{phase}.png"))
    return paths


def save_pages(figures: Sequence[Figure], path: Path) -> list[Path]:
    """Write a PNG for each page: `name.png`, `name-2.png`, …"""
    return [
        save(figure, path.with_name(f"{path.stem}-{page}.png") if page > 1 else path)
        for page, figure in enumerate(figures, start=1)
    ]


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG without the version of matplotlib: equal figures give equal bytes."""
    image = BytesIO()
    with rc_context(PLAIN_TEXT):  # labels of ticks are made as they are drawn
        figure.savefig(image, format="png", metadata={"Software": None})
    replace_file(path, image.getvalue())
    return path


NamedFigures = Iterator[tuple[str, Sequence[Figure]]]
"""The pages of each figure for which a section has records, with the beginning of its file name."""


def _trained_figures(
    title: str, rows: Sequence[Row], styles: Mapping[str, LineStyle]
) -> NamedFigures:
    if any(row.measured("learning") for row in rows):
        yield "learning", [learning_figure(title, rows, styles)]
    if forecasts := forecast_figure(title, rows, styles):
        yield "forecast", [forecasts]
    if any(row.measured("gradients") for row in rows):
        yield "gradient", [gradient_figure(title, rows)]
        yield "gradient-norm", [gradient_norm_figure(title, rows, styles)]


def _timed_figures(
    title: str,
    speed: pd.DataFrame,
    latency: pd.DataFrame,
    phases: Sequence[str],
    styles: Mapping[str, LineStyle],
) -> NamedFigures:
    for phase in phases:
        if speed[f"{phase}_s"].notna().any():
            label = f"time of the {PHASE_NAMES[phase]}"
            yield f"{phase}-time", time_figures(title, speed, phase, label, styles)
    if len(latency):
        label = f"time of a {PHASE_NAMES[ADVANCE]}, p50"
        yield f"{ADVANCE}-time", time_figures(title, latency, "p50", label, styles)


def _title(key: TableKey, groups: Mapping[TableKey, Sequence[Row]]) -> str:
    """The task, then device, dtype and run where they differ between the sections."""
    values = dict(zip(TABLE_KEYS, key, strict=True))
    varied = {
        name
        for name, column in zip(TABLE_KEYS, zip(*groups, strict=True), strict=True)
        if len(set(column)) > 1
    }
    texts = {"device": values["device"], "dtype": values["dtype"], "run": f"run {values['run']}"}
    return ", ".join([values["task"], *(text for name, text in texts.items() if name in varied)])


def _file_names(titles: Iterable[str]) -> list[str]:
    """A name for the files of each title, of plain letters, no two alike."""
    names: list[str] = []
    for title in titles:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", title)[:LONGEST_NAME].strip("-.")
        alike = sum(other.split("_")[0].lower() == name.lower() for other in names)
        names.append(f"{name}_{alike + 1}" if alike else name)
    return names
