"""The figures of one section: learning, gradient norm, gradients through time, step time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.rows import Row, deciding_metric
from bench.analysis.statistics import MIN_FOR_INTERVAL
from bench.report.panels import (
    GREY,
    WIDTH,
    LineStyle,
    add_legend,
    draw_curves,
    draw_gradients_through_time,
    draw_level,
    draw_step_times,
    legend_line,
    make_logarithmic,
    needs_logarithm,
    panels_by_cell,
)
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
    figure.suptitle(f"{title}: {name} on held-out data (lower is better)", x=0.01, ha="left")
    return figure


def gradient_norm_figure(
    title: str, rows: Sequence[Row], styles: Mapping[str, LineStyle]
) -> Figure:
    """The norm of the gradient of all weights over training."""
    limit = rows[0].settings.get("clip_norm")
    levels = [] if limit is None else [Level(f"clipped above {format_setting(limit)}", limit, "--")]
    figure = _over_training(rows, styles, "gradients", "gradient_norm", "‖gradient‖", levels)
    subtitle = "norm of the gradient of all weights, before clipping"
    figure.suptitle(f"{title}: {subtitle}", x=0.01, ha="left")
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
    values = [level.value for level in levels if level.value is not None]
    for row in rows:
        values += draw_curves(panels[row.cell], row.measured(probe), sample, styles[row.backend])
    for axes in panels.values():
        for level in levels:
            draw_level(axes, level.value, level.dashes)
        _finish_training_axes(axes, values, label)
    names = sorted({row.backend for row in rows})
    handles = [legend_line(name, styles[name]) for name in names]
    handles += [Line2D([], [], color=GREY, lw=1.1, ls=v.dashes, label=v.label) for v in levels]
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
        axes.set_xlabel("training steps")
    if axes.get_subplotspec().is_first_col():
        axes.set_ylabel(f"{label} (log)" if logarithmic else label)


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
    figure.suptitle(f"{title}: how far gradients reach back in time", x=0.01, ha="left")
    by_label = {
        label: handle
        for axes in grid
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    note = "line: median over backends and seeds; band: least to largest of them"
    add_legend(figure, list(by_label.values()), note)
    return figure


def step_time_figure(title: str, speed: pd.DataFrame, styles: Mapping[str, LineStyle]) -> Figure:
    """Step times of a section, a panel for each cell and number of threads, the fastest on top."""
    speed = speed[speed["step_s"].notna()]
    several_threads = speed["threads"].nunique() > 1
    groups = list(speed.groupby(["cell", "threads"], sort=False))
    counts = [len(group) for _, group in groups]
    figure = Figure(figsize=(WIDTH, 1.3 + 0.27 * sum(counts) + 0.32 * len(counts)))
    grid = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=counts).flat
    slowest = [max(launches) for launches in speed["step_launches_s"]]
    logarithmic = needs_logarithm([*slowest, *map(min, speed["step_launches_s"])])
    for axes, ((cell, threads), group) in zip(grid, groups, strict=True):
        draw_step_times(axes, group, styles)
        axes.set_title(f"{cell}, {threads} threads" if several_threads else str(cell))
        axes.margins(x=0.1)
        if logarithmic:
            make_logarithmic(axes.xaxis)
    if not logarithmic:
        axes.set_xlim(0, 1.12e3 * max(slowest))
    scale = "logarithmic axis" if logarithmic else "from zero"
    axes.set_xlabel(f"step time (ms), {scale}")
    figure.supxlabel(_step_time_note(speed), fontsize=9)
    figure.suptitle(f"{title}: time of one training step (lower is better)", x=0.01, ha="left")
    return figure


def _step_time_note(speed: pd.DataFrame) -> str:
    few = " (none below 3 launches)" if speed["launches"].min() < MIN_FOR_INTERVAL else ""
    care = "; * read with care, see the table" if speed["flags"].any() else ""
    return f"open mark: one launch; bar and number: median; band: 95% interval{few}{care}"
