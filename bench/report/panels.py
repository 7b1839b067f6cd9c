"""Drawing inside one panel: curves over training, gradients through time, levels and axes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.rows import Row
from bench.records.record import Record
from bench.report.layout import WIDTH, label_text
from bench.report.styles import LineStyle
from bench.spec import Array

LOGARITHMIC_FROM = 20
"""An axis is logarithmic if its largest value is more than this many times its smallest."""
TOO_LARGE = 1e100
"""matplotlib multiplies what it draws, and fails where a product overflows."""
GREY = "#555555"
CELL_STYLES: Mapping[str, tuple[str, str]] = {
    "rnn": ("#DDAA33", "-"),
    "lstm": ("#004488", "--"),
    "gru": ("#BB5566", "-."),
    "feedforward": ("#777777", ":"),
}
"""Colour and line style of each cell (Paul Tol's high-contrast scheme), different from the colours
of the backends."""


def panels_by_cell(rows: Sequence[Row]) -> tuple[Figure, dict[str, Any]]:
    """A figure with one panel for each cell and shared axes: up to three panels side by side, more
    in two columns."""
    cells = list(dict.fromkeys(row.cell for row in rows))
    columns = len(cells) if len(cells) <= 3 else 2
    lines = -(-len(cells) // columns)
    figure = Figure(figsize=(WIDTH, 1.5 + 2.0 * lines))
    grid = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes in grid[len(cells) :]:
        axes.set_visible(False)
    for cell, axes in zip(cells, grid, strict=False):
        axes.set_title(label_text(cell))
    return figure, dict(zip(cells, grid, strict=False))


def legend_line(name: str, style: LineStyle) -> Any:
    """The line of a backend in a legend."""
    return Line2D(
        [], [], label=label_text(name), color=style.colour, lw=style.width, ls=style.dashes
    )


def draw_curves(axes: Any, records: Sequence[Record], name: str, style: LineStyle) -> list[float]:
    """Draw a sample over training, a thin line for each seed and a bold one for their median;
    return the finite values drawn."""
    samples = [r.samples for r in records if {name, "checkpoint_step"} <= r.samples.keys()]
    curves = [
        (drawable(by_name["checkpoint_step"]), drawable(by_name[name])) for by_name in samples
    ]
    curves = [(steps, values) for steps, values in curves if len(steps) == len(values)]
    for steps, values in curves:
        axes.plot(steps, values, color=style.colour, lw=0.7, alpha=0.45)
    if curves:
        longest = max((steps for steps, _ in curves), key=len)
        median = _median_curve([values for _, values in curves])
        axes.plot(longest, median, color=style.colour, ls=style.dashes, lw=style.width)
    return [float(value) for _, values in curves for value in values if math.isfinite(value)]


def drawable(values: Sequence[float]) -> Array:
    """The values, with NaN for those that are too large to be drawn."""
    numbers = np.array(values, dtype=np.float64)
    numbers[~(np.abs(numbers) < TOO_LARGE)] = math.nan
    return numbers


def _median_curve(curves: Sequence[Array]) -> Array:
    """The median over seeds at each checkpoint. A seed that has diverged or ended counts as worse
    than any other: the curve ends where half of the seeds have."""
    table = np.full((len(curves), max(map(len, curves))), math.inf)
    for line, values in zip(table, curves, strict=True):
        line[: len(values)] = np.where(np.isfinite(values), values, math.inf)
    table.sort(axis=0)
    low, high = table[(len(curves) - 1) // 2], table[len(curves) // 2]
    middle = (low + high) / 2
    return np.where(np.isfinite(middle), middle, math.nan)


def needs_logarithm(values: Iterable[float | None]) -> bool:
    """Whether the values are positive and span so much that they need a logarithmic axis."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) > LOGARITHMIC_FROM * min(finite)


def make_logarithmic(axis: Any) -> None:
    """Plain numbers at the powers of ten, and at 2 and 5 times them where few powers show."""

    def minor_label(value: float, _: Any) -> str:
        low, high = axis.get_view_interval()
        return f"{value:g}" if high < 100 * low and f"{value:e}"[0] in "25" else ""

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(minor_label)


def draw_level(axes: Any, value: float | None, dashes: str) -> None:
    """A horizontal line, such as chance."""
    if value is not None and abs(value) < TOO_LARGE:
        axes.axhline(value, color=GREY, lw=1.1, ls=dashes)


def draw_gradients_through_time(axes: Any, cell: str, norms: Sequence[Sequence[float]]) -> None:
    """‖dL/dh_t‖ against T − t: the median over backends and seeds, and a band from the smallest to
    the largest, over the longest sequences. Zeros cannot stand on a logarithmic axis and are left
    out."""
    colour, dashes = CELL_STYLES.get(cell, (GREY, "-"))
    longest = max(map(len, norms))
    whole = [series[::-1] for series in norms if len(series) == longest]
    table = np.array([drawable(series) for series in whole])
    table[~(table > 0)] = math.nan
    lags = np.flatnonzero(np.isfinite(table).any(axis=0))
    if not len(lags):
        return
    positive = table[:, lags]
    low, high = np.nanmin(positive, axis=0), np.nanmax(positive, axis=0)
    axes.fill_between(lags, low, high, color=colour, alpha=0.18, lw=0)
    marker = {"marker": "o", "ms": 6} if len(lags) == 1 else {}
    middle = np.nanmedian(positive, axis=0)
    axes.plot(lags, middle, color=colour, ls=dashes, lw=2, label=label_text(cell), **marker)
