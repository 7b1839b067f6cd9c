"""The figures of one phase: times of all backends, a panel for each cell and number of threads."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.ranks import ranked_rows
from bench.report.layout import WIDTH, add_title, label_text, pages, wrapped
from bench.report.panels import GREY, make_logarithmic, needs_logarithm
from bench.report.speed_words import time_caption
from bench.report.styles import LineStyle
from bench.report.words import format_number, format_rank, frame_rows

FRAME, PANEL, ROW = 1.6, 0.34, 0.27
"""Inches: title, axis and footer of a figure; the title of a panel; a row of a panel."""
MAX_ROWS = 25
"""Rows of a panel; further rows of the same cell stand in another one."""

Panel = tuple[str, pd.DataFrame]
"""The title of a panel, and its rows."""


def time_figures(
    title: str, frame: pd.DataFrame, name: str, label: str, styles: Mapping[str, LineStyle]
) -> list[Figure]:
    """The times of a section, on as many pages as it takes. The fastest backend stands on top,
    those that are not ranked at the bottom; all pages have the same axis. `name` is that of the
    time in the frame, `label` what the figure calls it."""
    rows = ranked_rows(frame, name)
    panels = _panels(rows)
    drawn_pages = pages(panels, [PANEL + ROW * len(group) for _, group in panels], FRAME)
    figures = []
    for number, page_panels in enumerate(drawn_pages, start=1):
        figure = _figure(page_panels, rows, f"{label} (ms)", styles)
        figure.supxlabel(wrapped(f"{time_caption(rows)} {_note(rows)}"), fontsize=9)
        page = f", {number} of {len(drawn_pages)}" if len(drawn_pages) > 1 else ""
        add_title(figure, f"{title}: {label} (lower is better){page}")
        figures.append(figure)
    return figures


def _panels(rows: pd.DataFrame) -> list[Panel]:
    several_threads = rows["threads"].nunique() > 1
    panels = []
    for (cell, threads), group in rows.groupby(["cell", "threads"], sort=False):
        title = f"{cell}, {threads} threads" if several_threads else str(cell)
        panels += [(title, group[k : k + MAX_ROWS]) for k in range(0, len(group), MAX_ROWS)]
    return panels


def _figure(
    panels: Sequence[Panel], rows: pd.DataFrame, label: str, styles: Mapping[str, LineStyle]
) -> Figure:
    """One page; `rows` are those of all pages, which set the axis."""
    counts = [len(group) for _, group in panels]
    figure = Figure(figsize=(WIDTH, FRAME + PANEL * len(counts) + ROW * sum(counts)))
    grid = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=counts).flat
    times = [1e3 * seconds for launches in rows["launches_s"] for seconds in launches]
    logarithmic = needs_logarithm(times)
    for axes, (title, group) in zip(grid, panels, strict=True):
        _draw_times(axes, group, styles)
        axes.set_title(label_text(title))
        if logarithmic:
            make_logarithmic(axes.xaxis)
    limits = (min(times) / 1.3, 1.6 * max(times)) if logarithmic else (0, 1.14 * max(times))
    axes.set_xlim(*limits)
    axes.set_xlabel(f"{label}, {'logarithmic axis' if logarithmic else 'from zero'}")
    return figure


def _draw_times(axes: Any, group: pd.DataFrame, styles: Mapping[str, LineStyle]) -> None:
    """A line for each backend: an open mark for each launch, a bar at the median, its interval."""
    rows = frame_rows(group)
    for height, row in enumerate(rows):
        style = styles[row.backend]
        launches = [1e3 * value for value in row.launches_s]
        if not pd.isna(row.low_s):
            band = {"lw": 5, "alpha": 0.35, "solid_capstyle": "butt"}
            ends = [1e3 * row.low_s, 1e3 * row.high_s]
            axes.plot(ends, [height] * 2, color=style.colour, **band)
        marks = {"facecolors": "none", "edgecolors": style.colour, "marker": style.marker}
        axes.scatter(launches, [height + 0.2] * len(launches), s=16, lw=0.9, zorder=3, **marks)
        median = 1e3 * row.s
        axes.plot([median, median], [height - 0.3, height + 0.3], color=style.colour, lw=2.5)
        label = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate(format_number(median), (max(launches), height), color=GREY, **label)
    axes.set_yticks(range(len(rows)), [_row_label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _row_label(row: Any) -> str:
    """`torch-scan *  2–4`: the backend, a mark of its flags, its rank."""
    mark, rank = " *" * bool(row.flags), format_rank(row.rank_best, row.rank_worst)
    return f"{label_text(row.backend)}{mark}   {rank}"


def _note(rows: pd.DataFrame) -> str:
    care = " * read with care, see the table." if rows["flags"].any() else ""
    return (
        "Beside the name: the rank, – where there is none. Open mark: one launch; bar and number: "
        f"median; band: its range or interval.{care}"
    )
