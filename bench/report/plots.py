"""Figures from records, one file a task, size, device and dtype. Drawn without a display."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.analysis.rows import TABLE_KEYS, Row, deciding_metric, rows_by_table
from bench.analysis.statistics import MIN_FOR_INTERVAL
from bench.analysis.tables import Tables
from bench.report.growth import growth
from bench.report.panels import (
    GREY,
    WIDTH,
    Look,
    by_cell,
    curves,
    is_wide,
    legend,
    level,
    line_styles,
    logarithmic,
    step_times,
    stroke,
    through_time,
)
from bench.report.sections import part_of
from bench.report.words import plain

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.06,
    "savefig.dpi": 140,
}

Place = tuple[str, ...]
EVERYWHERE: Place = ()
"""The place of a figure that is of no single section."""


def plots(made: Tables, output: Path) -> dict[Place, list[Path]]:
    """Every figure that the tables' records give, as PNG files in an existing folder, by what
    it shows: run, task, device and dtype."""
    proven = [row for row in made.rows if not row.unproven]
    seen = line_styles(row.backend for row in made.rows)
    groups = rows_by_table(proven)
    written: dict[Place, list[Path]] = {}
    with rc_context(STYLE):
        for place, rows in groups.items():
            title, times = _title(place, groups), part_of(made.speed, place)
            for kind, figure in _figures(title, rows, times, seen):
                path = output / f"{kind}-{_slug(title)}.png"
                figure.savefig(path, metadata={"Software": None})
                written.setdefault(place, []).append(path)
        if grown := growth(proven, made.speed, seen):
            path = output / "growth.png"
            grown.savefig(path, metadata={"Software": None})
            written[EVERYWHERE] = [path]
    return written


def _figures(
    title: str, rows: Sequence[Row], times: pd.DataFrame, seen: Mapping[str, Look]
) -> Iterator[tuple[str, Figure]]:
    if any(row.measured("learning") for row in rows):
        yield "learning", learning(title, rows, seen)
    if any(row.measured("gradients") for row in rows):
        yield "gradient", gradient(title, rows)
        yield "gradient-norm", gradient_norm(title, rows, seen)
    if times["step_s"].notna().any():
        yield "step-time", step_time(title, times, seen)


def _title(place: Place, groups: Mapping[Place, Sequence[Row]]) -> str:
    """The task, and of run, device and dtype what differs between the groups."""
    varied = [len({other[k] for other in groups}) > 1 for k in range(len(TABLE_KEYS))]
    run, task, device, dtype = place
    parts = {"device": device, "dtype": dtype, "run": f"run {run}"}
    index = {"device": 2, "dtype": 3, "run": 0}
    return ", ".join([task, *(text for name, text in parts.items() if varied[index[name]])])


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", title).strip("-.")


def learning(title: str, rows: Sequence[Row], seen: Mapping[str, Look]) -> Figure:
    """The deciding score over training, with chance and the threshold."""
    learned = [r for row in rows for r in row.measured("learning")]
    name, first = deciding_metric(learned) or "loss", learned[0].metrics
    chance, threshold = first.get("chance"), first.get("threshold")
    figure = _over_training(
        rows,
        seen,
        ("learning", name, name),
        {
            f"chance {plain(chance)}": (chance, "--"),
            f"solved below {plain(threshold)}": (threshold, ":"),
        },
    )
    figure.suptitle(f"{title}: {name} on held-out data (lower is better)", x=0.01, ha="left")
    return figure


def gradient_norm(title: str, rows: Sequence[Row], seen: Mapping[str, Look]) -> Figure:
    """The norm of the whole gradient over training."""
    limit = rows[0].settings.get("clip_norm")
    levels = {} if limit is None else {f"clipped above {plain(limit)}": (limit, "--")}
    kind = ("gradients", "gradient_norm", "‖gradient‖")
    figure = _over_training(rows, seen, kind, levels)
    what = "norm of the gradient of all weights, before clipping"
    figure.suptitle(f"{title}: {what}", x=0.01, ha="left")
    return figure


def _over_training(
    rows: Sequence[Row],
    seen: Mapping[str, Look],
    kind: tuple[str, str, str],
    levels: Mapping[str, tuple[float | None, str]],
) -> Figure:
    """One panel a cell with the curves of a sample, `kind` being probe, sample and label, and
    horizontal lines by their name."""
    probe, sample, label = kind
    figure, panels = by_cell(rows)
    values = [value for value, _ in levels.values() if value is not None]
    for row in rows:
        values += curves(panels[row.cell], row.measured(probe), sample, seen[row.backend])
    for axes in panels.values():
        for value, style in levels.values():
            level(axes, value, style)
        if is_wide(values):
            logarithmic(axes.yaxis)
        else:
            axes.set_ylim(bottom=min([0.0, *values]))
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel("training steps")
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(f"{label} (log)" if is_wide(values) else label)
    names = sorted({row.backend for row in rows})
    handles = [stroke(name, seen[name]) for name in names]
    handles += [Line2D([], [], color=GREY, lw=1.1, ls=s, label=t) for t, (_, s) in levels.items()]
    agree = "; where lines lie on each other, the backends agree" if len(names) > 1 else ""
    legend(figure, handles, f"thin: each seed; bold: median over seeds{agree}")
    return figure


def gradient(title: str, rows: Sequence[Row]) -> Figure:
    """‖dL/dh_t‖ against the distance from the end, before and after training."""
    figure = Figure(figsize=(WIDTH, 3.8))
    grid = figure.subplots(1, 2, sharey=True)
    for axes, moment in zip(grid, ("initial", "trained"), strict=True):
        name = f"hidden_gradient_norm.{moment}"
        for cell in dict.fromkeys(row.cell for row in rows):
            found = [r for row in rows if row.cell == cell for r in row.measured("gradients")]
            if norms := [r.samples[name] for r in found if name in r.samples]:
                through_time(axes, cell, norms)
        axes.set_title(f"{moment} weights")
        axes.set_xlabel("steps back from the end, T − t")
        logarithmic(axes.yaxis)
    grid[0].set_ylabel("‖dL/dh_t‖ (log)")
    figure.suptitle(f"{title}: how far gradients reach back in time", x=0.01, ha="left")
    handles = {
        label: h
        for axes in grid
        for h, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    note = "line: median over backends and seeds; band: least to largest of them"
    legend(figure, list(handles.values()), note)
    return figure


def step_time(title: str, times: pd.DataFrame, seen: Mapping[str, Look]) -> Figure:
    """Step times by cell and backend, the fastest on top."""
    times = times[times["step_s"].notna()]
    several = times["threads"].nunique() > 1
    parts = [(key, part) for key, part in times.groupby(["cell", "threads"], sort=False)]
    counts = [len(part) for _, part in parts]
    figure = Figure(figsize=(WIDTH, 1.3 + 0.27 * sum(counts) + 0.32 * len(counts)))
    grid = figure.subplots(len(parts), 1, sharex=True, squeeze=False, height_ratios=counts).flat
    slowest = [max(launches) for launches in times["step_launches_s"]]
    wide = is_wide([*slowest, *map(min, times["step_launches_s"])])
    for axes, ((cell, threads), part) in zip(grid, parts, strict=True):
        step_times(axes, part, seen)
        axes.set_title(f"{cell}, {threads} threads" if several else str(cell))
        axes.margins(x=0.1)
        if wide:
            logarithmic(axes.xaxis)
    if not wide:
        axes.set_xlim(0, 1.12e3 * max(slowest))
    axes.set_xlabel("step time (ms), logarithmic axis" if wide else "step time (ms), from zero")
    few = " (none below 3 launches)" if times["launches"].min() < MIN_FOR_INTERVAL else ""
    care = "; * read with care, see the table" if times["flags"].any() else ""
    note = f"open mark: one launch; bar and number: median; band: 95% interval{few}{care}"
    figure.supxlabel(note, fontsize=9)
    figure.suptitle(f"{title}: time of one training step (lower is better)", x=0.01, ha="left")
    return figure
