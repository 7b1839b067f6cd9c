"""The plot of a metric over stored runs: values, intervals, levels and their changes."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.analysis.history import Metric, MetricHistory
from bench.plan.probes import PHASE_NAMES
from bench.report.layout import WIDTH, add_title, label_text, pages
from bench.report.panels import GREY, TOO_LARGE, drawable
from bench.report.plots import STYLE
from bench.report.styles import COLOURS

COLUMNS = 2
FRAME, PANEL = 1.2, 1.9
"""Inches: the title of a figure, and a row of panels."""
VALUE, LEVEL = COLOURS[:2]
"""Colours of the values and of their levels."""
TITLE_LETTERS = 52
"""The longest line of a panel's title."""


def history_figures(histories: Sequence[MetricHistory], name: str, metric: Metric) -> list[Figure]:
    """A panel for each history, two side by side, each with axes of its own, on as many pages as
    it takes."""
    lines = [histories[k : k + COLUMNS] for k in range(0, len(histories), COLUMNS)]
    return [
        _page([history for line in page for history in line], name, metric)
        for page in pages(lines, [PANEL] * len(lines), FRAME)
    ]


def _page(histories: Sequence[MetricHistory], name: str, metric: Metric) -> Figure:
    lines = -(-len(histories) // COLUMNS)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, FRAME + PANEL * lines))
        grid = figure.subplots(lines, COLUMNS, squeeze=False)
        for axes, history in zip(grid.flat, histories, strict=False):
            _draw_history(axes, history, metric.scale)
        for axes in grid.flat[len(histories) :]:
            axes.set_visible(False)
        unit = f" ({metric.unit})" if metric.unit else ""
        name = PHASE_NAMES.get(name, name)
        add_title(figure, f"{name}{unit} over runs; a dashed line: a new level")
    return figure


def _draw_history(axes: Any, history: MetricHistory, scale: float) -> None:
    values = drawable([scale * point.value for point in history.points]).tolist()
    for index, point in enumerate(history.points):
        if point.low is not None and point.high is not None:
            interval = drawable([scale * point.low, scale * point.high])
            axes.plot([index, index], interval, color=VALUE, alpha=0.4, lw=3)
    axes.plot(range(len(values)), values, "o", ms=3.5, color=VALUE)
    for first, last, median in history.levels():
        ends = [first - 0.4, last + 0.4]
        axes.plot(ends, drawable([scale * median] * 2), color=LEVEL, lw=1.4)
    for start in history.changes:
        axes.axvline(start - 0.5, color=GREY, ls="--", lw=1)
    axes.set_title(fill(label_text(history.label, 4 * TITLE_LETTERS), TITLE_LETTERS), fontsize=8)
    if min(values) > 0:
        tops = [scale * point.high for point in history.points if point.high is not None]
        axes.set_ylim(0, 1.1 * min(max([*values, *tops]), TOO_LARGE))
    ticks = sorted({0, *history.changes, len(values) - 1})
    dates = [f"{history.points[k].started:%Y-%m-%d}" for k in ticks]
    axes.set_xticks(ticks, dates, fontsize=7)
