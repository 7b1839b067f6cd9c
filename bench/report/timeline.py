"""A metric over stored runs: a panel a series, its intervals, its levels and where they change."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.analysis.history import Metric, MetricHistory
from bench.report.panels import BACKENDS, GREY, WIDTH
from bench.report.plots import STYLE

COLUMNS = 2
LETTERS = 52
"""In a line of a panel's title."""


def timeline(found: Sequence[MetricHistory], metric: str, told: Metric) -> Figure:
    """Panels two in a row, each with an axis of its own."""
    lines = -(-len(found) // COLUMNS)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.2 + 1.9 * lines))
        grid = figure.subplots(lines, COLUMNS, squeeze=False)
        for axes, one in zip(grid.flat, found, strict=False):
            _panel(axes, one, told)
        for axes in grid.flat[len(found) :]:
            axes.set_visible(False)
        unit = f" ({told.unit})" if told.unit else ""
        figure.suptitle(f"{metric}{unit} over runs; a dashed line: a new level", x=0.01, ha="left")
    return figure


def _panel(axes: Any, one: MetricHistory, told: Metric) -> None:
    values = [told.scale * point.value for point in one.points]
    places = range(len(values))
    for place, point in zip(places, one.points, strict=True):
        if point.low is not None and point.high is not None:
            axes.plot(
                [place, place],
                [told.scale * point.low, told.scale * point.high],
                color=BACKENDS[0],
                alpha=0.4,
                lw=3,
            )
    axes.plot(places, values, "o", ms=3.5, color=BACKENDS[0])
    for first, last, level in one.levels():
        shown = [told.scale * level] * 2
        axes.plot([first - 0.4, last + 0.4], shown, color=BACKENDS[1], lw=1.4)
    for start in one.changes:
        axes.axvline(start - 0.5, color=GREY, ls="--", lw=1)
    axes.set_title(fill(one.cell, LETTERS), fontsize=8)
    if min(values) > 0:
        tops = [told.scale * point.high for point in one.points if point.high is not None]
        axes.set_ylim(0, 1.1 * max([*values, *tops]))
    ends = sorted({0, *one.changes, len(values) - 1})
    axes.set_xticks(ends, [one.points[k].started[:10] for k in ends], fontsize=7)
