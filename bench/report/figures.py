"""The figures of training in one section: learning, gradient norm, gradients through time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.rows import Row, deciding_metric
from bench.report.layout import WIDTH, add_legend, add_title, label_text
from bench.report.panels import (
    GREY,
    draw_curves,
    draw_gradients_through_time,
    draw_level,
    drawable,
    legend_line,
    make_logarithmic,
    needs_logarithm,
    panels_by_cell,
)
from bench.report.styles import LineStyle
from bench.report.words import format_setting


@dataclass(frozen=True)
class Level:
    """A horizontal line with its label in the legend."""

    label: str
    value: float | None
    dashes: str


def learning_figure(title: str, rows: Sequence[Row], styles: Mapping[str, LineStyle]) -> Figure:
    """The deciding score over training, with chance and the threshold."""
    learned = [record for row in rows for record in row.measured("learning")]
    name, first = deciding_metric(learned) or "loss", learned[0].metrics
    chance, threshold = first.get("chance"), first.get("threshold")
    levels = [
        Level(f"chance {format_setting(chance)}", chance, "--"),
        Level(f"solved below {format_setting(threshold)}", threshold, ":"),
    ]
    figure = _over_training(rows, styles, "learning", name, name, levels)
    add_title(figure, f"{title}: {name} on held-out data (lower is better)")
    return figure


def gradient_norm_figure(
    title: str, rows: Sequence[Row], styles: Mapping[str, LineStyle]
) -> Figure:
    """The norm of the gradient of all weights over training."""
    limit = rows[0].settings.get("clip_norm")
    levels = [] if limit is None else [Level(f"clipped above {format_setting(limit)}", limit, "--")]
    figure = _over_training(rows, styles, "gradients", "gradient_norm", "‖gradient‖", levels)
    subtitle = "norm of the gradient of all weights, before clipping"
    add_title(figure, f"{title}: {subtitle}")
    return figure


def _over_training(
    rows: Sequence[Row],
    styles: Mapping[str, LineStyle],
    probe: str,
    sample: str,
    label: str,
    levels: Sequence[Level],
) -> Figure:
    """One panel for each cell with the curves of a sample of a probe, and horizontal lines."""
    figure, panels = panels_by_cell(rows)
    drawn = drawable([level.value for level in levels if level.value is not None])
    values = drawn[np.isfinite(drawn)].tolist()
    for row in rows:
        values += draw_curves(panels[row.cell], row.measured(probe), sample, styles[row.backend])
    for axes in panels.values():
        for level in levels:
            draw_level(axes, level.value, level.dashes)
        _finish_training_axes(axes, values, label)
    names = sorted({row.backend for row in rows})
    handles = [legend_line(name, styles[name]) for name in names]
    handles += [
        Line2D([], [], color=GREY, lw=1.1, ls=v.dashes, label=label_text(v.label)) for v in levels
    ]
    agree = "; where lines lie on each other, the backends agree" if len(names) > 1 else ""
    add_legend(figure, handles, f"thin: each seed; bold: median over seeds{agree}")
    return figure


def _finish_training_axes(axes: Any, values: Sequence[float], label: str) -> None:
    """The scale for these values, and labels on the outer axes."""
    logarithmic = needs_logarithm(values)
    if logarithmic:
        make_logarithmic(axes.yaxis)
    else:
        axes.set_ylim(bottom=min([0.0, *values]))
    if axes.get_subplotspec().is_last_row():
        axes.set_xlabel("updates")
    if axes.get_subplotspec().is_first_col():
        axes.set_ylabel(label_text(f"{label} (log)" if logarithmic else label))


def gradient_figure(title: str, rows: Sequence[Row]) -> Figure:
    """‖dL/dh_t‖ against the distance from the end, before and after training."""
    figure = Figure(figsize=(WIDTH, 3.8))
    grid = figure.subplots(1, 2, sharey=True)
    for axes, moment in zip(grid, ("initial", "trained"), strict=True):
        name = f"hidden_gradient_norm.{moment}"
        for cell in dict.fromkeys(row.cell for row in rows):
            records = [r for row in rows if row.cell == cell for r in row.measured("gradients")]
            if norms := [r.samples[name] for r in records if name in r.samples]:
                draw_gradients_through_time(axes, cell, norms)
        axes.set_title(f"{moment} weights")
        axes.set_xlabel("steps back from the end, T − t")
        make_logarithmic(axes.yaxis)
    grid[0].set_ylabel("‖dL/dh_t‖ (log)")
    add_title(figure, f"{title}: how far gradients reach back in time")
    by_label = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    note = "line: median over backends and seeds; band: least to largest of them"
    add_legend(figure, list(by_label.values()), note)
    return figure
