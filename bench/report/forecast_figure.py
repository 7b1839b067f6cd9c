"""The figure of forecasts: what was forecast for the held-out part of a series, and what came."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.forecasts import as_dates, forecast_lines
from bench.analysis.rows import Row, metric_value
from bench.records.record import Record
from bench.report.layout import add_legend, add_title, label_text
from bench.report.panels import GREY, drawable, legend_line, panels_by_cell
from bench.report.styles import LineStyle

MOST_STEPS = 120
"""Steps that a panel shows: the first ones of the held-out part."""
ACTUAL = LineStyle("#000000", "o", "-", 1.8)
CLASSICAL_DASHES = (":", "--", "-.", (0, (6, 2, 1, 2, 1, 2)))
KEPT = ("step", "time", "unix_time", "actual", "forecast")
"""Lines that are no classical forecasts."""


def forecast_figure(
    title: str, rows: Sequence[Row], styles: Mapping[str, LineStyle]
) -> Figure | None:
    """One panel for each cell with what came, the classical forecasts, and the forecasts of each
    backend; None where the records hold none."""
    shown = [(row, record) for row in rows if (record := middle_record(row))]
    if not shown:
        return None
    figure, panels = panels_by_cell([row for row, _ in shown])
    first = forecast_lines(shown[0][1])
    classical = dict(
        zip([name for name in first if name not in KEPT], CLASSICAL_DASHES, strict=False)
    )
    for cell, axes in panels.items():
        _draw_common(axes, first, classical)
        for row, record in shown:
            if row.cell == cell:
                _draw(axes, forecast_lines(record), styles[row.backend])
        _label_axes(axes, first)
    names = sorted({row.backend for row, _ in shown})
    handles = [
        legend_line("actual", ACTUAL),
        *(
            Line2D([], [], color=GREY, lw=1.1, ls=dashes, label=label_text(n))
            for n, dashes in classical.items()
        ),
        *(legend_line(name, styles[name]) for name in names),
    ]
    add_legend(figure, handles, _note(first))
    add_title(figure, f"{title}: forecasts of held-out values")
    return figure


def middle_record(row: Row) -> Record | None:
    """The record of the seed with the median score (of two, the better one), among those that hold
    forecasts."""
    records = [record for record in row.measured("learning") if forecast_lines(record)]
    ordered = sorted(records, key=lambda record: _by_score(metric_value(record, "score")))
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _by_score(score: float) -> tuple[bool, float]:
    """A seed that has diverged comes last."""
    return (score != score, score)


def _draw_common(
    axes: Any, lines: Mapping[str, Sequence[float]], classical: Mapping[str, Any]
) -> None:
    actual = drawable(lines["actual"][:MOST_STEPS])
    axes.plot(_times(lines), actual, color=ACTUAL.colour, lw=ACTUAL.width)
    for name, dashes in classical.items():
        values = drawable(lines[name][:MOST_STEPS])
        axes.plot(_times(lines), values, color=GREY, lw=0.9, ls=dashes)


def _draw(axes: Any, lines: Mapping[str, Sequence[float]], style: LineStyle) -> None:
    values = drawable(lines["forecast"][:MOST_STEPS])
    axes.plot(_times(lines), values, color=style.colour, lw=style.width / 2 + 0.6, ls=style.dashes)


def _times(lines: Mapping[str, Sequence[float]]) -> Any:
    """The times of the steps shown, or their numbers."""
    if "unix_time" in lines:
        return as_dates(lines["unix_time"][:MOST_STEPS])
    return drawable(lines.get("time", lines["step"])[:MOST_STEPS])


def _label_axes(axes: Any, lines: Mapping[str, Sequence[float]]) -> None:
    if "unix_time" in lines:
        locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
    elif axes.get_subplotspec().is_last_row():
        axes.set_xlabel("time" if "time" in lines else "step of the series")


def _note(lines: Mapping[str, Sequence[float]]) -> str:
    shown = ""
    if (count := len(lines["step"])) > MOST_STEPS:
        shown = f"the first {MOST_STEPS} of the {count} steps kept; "
    return f"{shown}each network with the seed of its median score"
