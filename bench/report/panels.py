"""What is drawn inside a figure: curves over training, gradients through time, step times."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.rows import Row
from bench.records.record import Record
from bench.report.words import entries, format_number
from bench.spec import Array

WIDTH = 8.0
"""Inches: at 100 dots an inch, the width of a README."""
WIDE = 20
"""An axis whose largest value is this many times the smallest is logarithmic."""
GREY = "#555555"
BACKENDS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito 2008, told apart by colour-blind readers too; without their yellow, which is too
light for lines on white."""
CELLS: Mapping[str, tuple[str, str]] = {
    "rnn": ("#DDAA33", "-"),
    "lstm": ("#004488", "--"),
    "gru": ("#BB5566", "-."),
    "feedforward": ("#777777", ":"),
}
"""Other colours than the backends', and a line style each (Paul Tol's high-contrast scheme)."""


@dataclass(frozen=True)
class Look:
    """How a backend is drawn in every figure."""

    colour: str
    marker: str
    style: str
    width: float


def line_styles(backends: Iterable[str]) -> dict[str, Look]:
    """Later backends have thinner lines, so that they do not hide the earlier ones where
    results coincide, and other marks and strokes where the colours are used up."""
    names = sorted(set(backends))
    widths = np.linspace(4.5, 1.5, len(names)) if len(names) > 1 else [2.0]
    rounds = [divmod(k, len(BACKENDS)) for k in range(len(names))]
    marks = [
        (BACKENDS[k], "osD^"[turn % 4], ("-", "--", "-.", ":")[turn % 4]) for turn, k in rounds
    ]
    return {
        name: Look(*mark, float(width))
        for name, mark, width in zip(names, marks, widths, strict=True)
    }


def by_cell(rows: Sequence[Row]) -> tuple[Figure, dict[str, Any]]:
    """One panel a cell, axes shared: up to three in a line, more in lines of two."""
    cells = list(dict.fromkeys(row.cell for row in rows))
    across = len(cells) if len(cells) <= 3 else 2
    down = -(-len(cells) // across)
    figure = Figure(figsize=(WIDTH, 1.5 + 2.0 * down))
    grid = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes in grid[len(cells) :]:
        axes.set_visible(False)
    for cell, axes in zip(cells, grid, strict=False):
        axes.set_title(cell)
    return figure, dict(zip(cells, grid, strict=False))


def legend(figure: Figure, handles: Sequence[Any], title: str) -> None:
    """Below the panels, with what the marks mean as its title."""
    across = min(len(handles), 5)
    words = {"title": title, "title_fontsize": 9, "frameon": False}
    figure.legend(handles=handles, loc="outside lower center", ncols=across, **words)


def curves(axes: Any, records: Sequence[Record], name: str, look: Look) -> list[float]:
    """One thin line a seed and a bold one for their median; gives the numbers drawn."""
    found = [r.samples for r in records if {name, "checkpoint_step"} <= r.samples.keys()]
    lines = [(samples["checkpoint_step"], samples[name]) for samples in found]
    for steps, values in lines:
        axes.plot(steps, values, color=look.colour, lw=0.7, alpha=0.45)
    if lines:
        longest = max((steps for steps, _ in lines), key=len)
        middle = _medians([values for _, values in lines])
        axes.plot(longest, middle, color=look.colour, ls=look.style, lw=look.width)
    return [value for _, values in lines for value in values if math.isfinite(value)]


def stroke(name: str, look: Look) -> Any:
    """A line for the legend."""
    return Line2D([], [], label=name, color=look.colour, lw=look.width, ls=look.style)


def _medians(lines: Sequence[Sequence[float]]) -> Array:
    """Median over seeds at each checkpoint. A seed that has diverged is worse than any other:
    the line ends where that holds for half of them."""
    table = np.full((len(lines), max(map(len, lines))), math.inf)
    for row, values in zip(table, lines, strict=True):
        row[: len(values)] = np.where(np.isfinite(values), values, math.inf)
    table.sort(axis=0)
    low, high = table[(len(lines) - 1) // 2], table[len(lines) // 2]
    middle = (low + high) / 2
    return np.where(np.isfinite(middle), middle, math.nan)


def is_wide(values: Iterable[float | None]) -> bool:
    """Whether values, all of them positive, span so much that it takes a logarithmic axis."""
    seen = [value for value in values if value is not None and math.isfinite(value)]
    return bool(seen) and min(seen) > 0 and max(seen) > WIDE * min(seen)


def logarithmic(axis: Any) -> None:
    """Plain numbers at the powers of ten, and at 2 and 5 times them where few powers show."""

    def between(value: float, _: Any) -> str:
        low, high = axis.get_view_interval()
        return f"{value:g}" if high < 100 * low and f"{value:e}"[0] in "25" else ""

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(between)


def level(axes: Any, value: float | None, style: str) -> None:
    """A horizontal line, such as chance."""
    if value is not None and math.isfinite(value):
        axes.axhline(value, color=GREY, lw=1.1, ls=style)


def through_time(axes: Any, cell: str, norms: Sequence[Sequence[float]]) -> None:
    """‖dL/dh_t‖ against T − t: the median over backends and seeds, and a band from the least to
    the largest. Zeros have no place on a logarithmic axis and are left out."""
    colour, style = CELLS.get(cell, (GREY, "-"))
    table = np.array([line[::-1] for line in norms], dtype=np.float64)
    table[~(table > 0)] = math.nan
    lags = np.flatnonzero(np.isfinite(table).any(axis=0))
    if not len(lags):
        return
    seen = table[:, lags]
    axes.fill_between(
        lags, np.nanmin(seen, axis=0), np.nanmax(seen, axis=0), color=colour, alpha=0.18, lw=0
    )
    marker = {"marker": "o", "ms": 6} if len(lags) == 1 else {}
    middle = np.nanmedian(seen, axis=0)
    axes.plot(lags, middle, color=colour, ls=style, lw=2, label=cell, **marker)


def step_times(axes: Any, part: pd.DataFrame, seen: Mapping[str, Look]) -> None:
    """One line a backend: every launch an open mark, the median a bar across, its interval."""
    found = entries(part)
    for height, row in enumerate(found):
        look = seen[row.backend]
        launches = [1e3 * value for value in row.step_launches_s]
        if not pd.isna(row.step_low_s):
            ends = [1e3 * row.step_low_s, 1e3 * row.step_high_s]
            axes.plot(
                ends, [height] * 2, color=look.colour, lw=5, alpha=0.35, solid_capstyle="butt"
            )
        marks = {"facecolors": "none", "edgecolors": look.colour, "marker": look.marker}
        axes.scatter(launches, [height + 0.2] * len(launches), s=16, lw=0.9, zorder=3, **marks)
        middle = 1e3 * row.step_s
        axes.plot([middle, middle], [height - 0.3, height + 0.3], color=look.colour, lw=2.5)
        beside = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate(format_number(middle), (max(launches), height), color=GREY, **beside)
    axes.set_yticks(range(len(found)), [row.backend + " *" * bool(row.flags) for row in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
