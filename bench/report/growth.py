"""How the time of a phase grows with one size: a figure for runs that hold a model at several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.ranks import ranked_rows
from bench.analysis.rows import ROW_KEYS, Row
from bench.plan.probes import PHASE_NAMES
from bench.report.layout import WIDTH, add_legend, add_title, label_text
from bench.report.panels import CELL_STYLES, make_logarithmic
from bench.report.styles import LineStyle
from bench.report.words import frame_rows

MIN_SIZES = 3


@dataclass(frozen=True)
class GrowthSeries:
    """Times of a phase (seconds) of one model in one backend by the value of one option; `shared`
    holds everything that is the same for all points."""

    option: str
    cell: str
    backend: str
    shared: tuple[Any, ...]
    points: tuple[tuple[float, float], ...]


def growth_figure(
    rows: Sequence[Row], speed: pd.DataFrame, phase: str, styles: Mapping[str, LineStyle]
) -> Figure | None:
    """A panel for each cell and option, with logarithmic axes; None where no option takes three
    values while all others stay the same."""
    all_series = list(growth_series(rows, speed, phase))
    if not all_series:
        return None
    options = list(dict.fromkeys(series.option for series in all_series))
    drawn = {series.cell for series in all_series}
    cells = [cell for cell in dict.fromkeys([*CELL_STYLES, *sorted(drawn)]) if cell in drawn]
    figure = Figure(figsize=(WIDTH, 1.6 + 2.1 * len(cells)))
    grid = figure.subplots(len(cells), len(options), sharey="row", sharex="col", squeeze=False)
    for series in all_series:
        axes = grid[cells.index(series.cell)][options.index(series.option)]
        _draw_series(axes, series, styles[series.backend])
    _label_axes(grid, cells, options)
    names = sorted({series.backend for series in all_series})
    handles = [Line2D([], [], label=label_text(name), **_marks(styles[name])) for name in names]
    add_legend(figure, handles, "all other sizes the same in a column; both axes logarithmic")
    add_title(figure, f"How the time of the {PHASE_NAMES[phase]} grows (lower is better)")
    return figure


def _draw_series(axes: Any, series: GrowthSeries, style: LineStyle) -> None:
    sizes, seconds = zip(*series.points, strict=True)
    axes.plot(sizes, [1e3 * value for value in seconds], **_marks(style))


def _marks(style: LineStyle) -> dict[str, Any]:
    return {"color": style.colour, "ls": style.dashes, "marker": style.marker, "ms": 4, "lw": 1.4}


def _label_axes(grid: Any, cells: Sequence[str], options: Sequence[str]) -> None:
    for line, cell in zip(grid, cells, strict=True):
        line[0].set_ylabel(f"{label_text(cell)} (ms)")
        for axes in line:
            make_logarithmic(axes.xaxis)
            make_logarithmic(axes.yaxis)
    for axes, option in zip(grid[-1], options, strict=True):
        axes.set_xlabel(label_text(option))


def growth_series(rows: Sequence[Row], speed: pd.DataFrame, phase: str) -> Iterator[GrowthSeries]:
    """A series for each option that takes at least three values while all else is the same."""
    sizes = {tuple(row.keys.values()): row.size for row in rows}
    timed = [
        (entry, sizes[tuple(getattr(entry, name) for name in ROW_KEYS)])
        for entry in frame_rows(ranked_rows(speed, phase))
    ]
    options = [name for _, size in timed for name, value in size.items() if type(value) is int]
    for option in dict.fromkeys(options):
        groups: dict[tuple[Any, ...], dict[float, float]] = {}
        for entry, size in timed:
            if option in size:
                group = groups.setdefault(_everything_else(entry, size, option), {})
                group[size[option]] = entry.s
        for (cell, backend, *shared), points in groups.items():
            if len(points) >= MIN_SIZES:
                yield GrowthSeries(
                    option, cell, backend, tuple(shared), tuple(sorted(points.items()))
                )


def _everything_else(entry: Any, size: Mapping[str, Any], option: str) -> tuple[Any, ...]:
    """Cell and backend, then all else that a series shares apart from the option. The name of the
    shape is left out: it changes with the option."""
    others = {name: value for name, value in size.items() if name not in (option, "shape")}
    keys = (entry.cell, entry.backend, entry.run, entry.device, entry.dtype, entry.threads)
    return (*keys, str(others))
