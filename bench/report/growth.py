"""How the time of a step grows with one size: a figure where records hold a model at several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.analysis.rows import ROW_KEYS, Row
from bench.report.panels import CELLS, WIDTH, Look, legend, logarithmic, stroke
from bench.report.words import entries

LEAST_SIZES = 3


@dataclass(frozen=True)
class Series:
    """Step times of one model in one backend, in seconds, by the value of one size; what else
    the model, its task and its place are is in `shared`."""

    option: str
    cell: str
    backend: str
    shared: tuple[Any, ...]
    points: tuple[tuple[float, float], ...]


def growth(rows: Sequence[Row], times: pd.DataFrame, seen: Mapping[str, Look]) -> Figure | None:
    """One line of panels a cell and a column a size, both axes logarithmic; None where no size
    takes three values while all others stay."""
    found = list(series(rows, times))
    if not found:
        return None
    options = list(dict.fromkeys(one.option for one in found))
    cells = [cell for cell in CELLS if any(one.cell == cell for one in found)]
    figure = Figure(figsize=(WIDTH, 1.6 + 2.1 * len(cells)))
    grid = figure.subplots(len(cells), len(options), sharey="row", sharex="col", squeeze=False)
    for one in found:
        axes = grid[cells.index(one.cell)][options.index(one.option)]
        look = seen[one.backend]
        sizes, seconds = zip(*one.points, strict=True)
        style = {"color": look.colour, "ls": look.style, "marker": look.marker, "ms": 4}
        axes.plot(sizes, [1e3 * value for value in seconds], lw=1.4, **style)
    for line, cell in zip(grid, cells, strict=True):
        line[0].set_ylabel(f"{cell}: step (ms)")
        for axes in line:
            logarithmic(axes.xaxis)
            logarithmic(axes.yaxis)
    for axes, option in zip(grid[-1], options, strict=True):
        axes.set_xlabel(option)
    names = sorted({one.backend for one in found})
    handles = [stroke(name, seen[name]) for name in names]
    legend(figure, handles, "all other sizes the same in a column; both axes logarithmic")
    figure.suptitle("How the time of a training step grows (lower is better)", x=0.01, ha="left")
    return figure


def series(rows: Sequence[Row], times: pd.DataFrame) -> Iterator[Series]:
    """Every size that takes at least three values while everything else is the same."""
    settings = {tuple(row.keys.values()): row.size for row in rows}
    timed = [
        (entry, settings[tuple(getattr(entry, n) for n in ROW_KEYS)]) for entry in entries(times)
    ]
    options = [name for _, size in timed for name, value in size.items() if type(value) is int]
    for option in dict.fromkeys(options):
        lines: dict[tuple[Any, ...], dict[float, float]] = {}
        for entry, size in timed:
            place = (entry.cell, entry.backend, entry.run, entry.device, entry.dtype, entry.threads)
            rest = (str({k: v for k, v in size.items() if k not in (option, "shape")}),)
            if option in size and not pd.isna(entry.step_s):
                lines.setdefault(place + rest, {})[size[option]] = entry.step_s
        for (cell, backend, *shared), points in lines.items():
            if len(points) >= LEAST_SIZES:
                yield Series(option, cell, backend, tuple(shared), tuple(sorted(points.items())))
