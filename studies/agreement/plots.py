"""Plots of the backends: how far apart their losses are, and the share of seeds solved."""

import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.report.layout import WIDTH, pages
from bench.report.panels import make_logarithmic
from bench.report.plots import STYLE
from bench.report.styles import LineStyle, line_styles
from studies.agreement.divergence import DIVERGED, last_update, loss_differences
from studies.agreement.pairs import Model, Pairs, models, pairs_of_model

COLUMNS, TITLE_WIDTH = 3, 42
"""Panels side by side, and characters in a line of a panel's title."""
FRAME, PANEL = 0.6, 1.7
"""Inches: title and axis of a figure, and a line of panels."""
ENOUGH_SEEDS = 10
"""A model with fewer seeds has no curve of the share solved."""


def divergence_plots(pairs: Pairs, main: str) -> list[Figure]:
    """How far each backend's loss is from the main one's, for the first seed of each model, on as
    many pages as it takes."""
    return [_divergence_plot(pairs, page, main) for page in _pages(models(pairs))]


def _divergence_plot(pairs: Pairs, drawn_models: Sequence[Model], main: str) -> Figure:
    styles = line_styles([main, *pairs])
    with rc_context(STYLE):
        figure, panels = _panels(drawn_models)
        for axes, model in zip(panels, drawn_models, strict=True):
            for name, group in pairs.items():
                for pair in pairs_of_model(group, model)[:1]:
                    steps, differences = loss_differences(pair.other, pair.main)
                    colour = styles[name].colour
                    axes.plot(steps, differences, color=colour, linewidth=1.0, label=name)
            make_logarithmic(axes.yaxis)
            axes.axhline(DIVERGED, color="#555555", linewidth=0.8, linestyle=":", label="diverged")
        title = f"Difference of losses from {main}, float32, the first seed of each model"
        _add_legend(figure, panels, title, "|a − b| / max(a, b)")
    return figure


def solved_plots(pairs: Pairs, main: str) -> list[Figure]:
    """The share of seeds solved by the number of updates, over the seeds that all backends share,
    on as many pages as it takes; none where no model has enough seeds."""
    drawn_models = [
        model
        for model in models(pairs)
        if min(len(pairs_of_model(group, model)) for group in pairs.values()) >= ENOUGH_SEEDS
    ]
    return [_solved_plot(pairs, page, main) for page in _pages(drawn_models)]


def _solved_plot(pairs: Pairs, drawn_models: Sequence[Model], main: str) -> Figure:
    styles = line_styles([main, *pairs])
    with rc_context(STYLE):
        figure, panels = _panels(drawn_models)
        for axes, model in zip(panels, drawn_models, strict=True):
            _draw_solved(axes, pairs, model, main, styles)
        _add_legend(figure, panels, "Seeds solved, the same seeds in each backend", "share")
    return figure


def _draw_solved(
    axes: Any, pairs: Pairs, model: Model, main: str, styles: dict[str, LineStyle]
) -> None:
    updates = {
        name: [pair.updates[0] for pair in pairs_of_model(group, model)]
        for name, group in pairs.items()
    }
    first = next(iter(pairs.values()))
    updates[main] = [pair.updates[1] for pair in pairs_of_model(first, model)]
    for name in (main, *pairs):
        steps, shares = _solved_curve(updates[name], _longest_run(pairs, model))
        colour = styles[name].colour
        axes.plot(steps, shares, color=colour, linewidth=1.0, label=name, drawstyle="steps-post")
    axes.set_ylim(0, 1.02)


def _solved_curve(updates: Sequence[float], end: float) -> tuple[list[float], list[float]]:
    """Updates from 0 to the end, and the share of all seeds that is solved from there on."""
    finite = sorted(filter(math.isfinite, updates))
    counts = [0, *range(1, len(finite) + 1), len(finite)]
    return [0.0, *finite, end], [count / len(updates) for count in counts]


def _longest_run(pairs: Pairs, model: Model) -> float:
    """The updates of the longest run of a model."""
    model_pairs = [pair for group in pairs.values() for pair in pairs_of_model(group, model)]
    return max(last_update(record) for pair in model_pairs for record in (pair.main, pair.other))


def _pages(drawn_models: Sequence[Model]) -> list[list[Model]]:
    """The models of each page, so many that it fits."""
    lines = [drawn_models[k : k + COLUMNS] for k in range(0, len(drawn_models), COLUMNS)]
    return [
        [model for line in page for model in line]
        for page in pages(lines, [PANEL] * len(lines), FRAME)
    ]


def _panels(drawn_models: Sequence[Model]) -> tuple[Figure, list[Any]]:
    """A figure with a panel for each model, named above it."""
    rows = -(-len(drawn_models) // COLUMNS)
    figure = Figure(figsize=(WIDTH, PANEL * rows + FRAME))
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid[len(drawn_models) :]:
        axes.remove()
    for axes, (experiment, cell) in zip(grid, drawn_models, strict=False):
        axes.set_title(fill(f"{experiment}, {cell}", TITLE_WIDTH), fontsize=7)
    return figure, list(grid[: len(drawn_models)])


def _add_legend(figure: Figure, panels: Sequence[Any], title: str, y_label: str) -> None:
    """One legend for all panels, above them, with the title; and the names of the axes."""
    lines = {
        name: line
        for axes in panels
        for line, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    text: Any = {"title": title, "title_fontsize": 10, "fontsize": 8}
    position: Any = {"loc": "outside upper center", "ncols": len(lines), "frameon": False}
    figure.legend(lines.values(), lines.keys(), **text, **position)
    figure.supxlabel("updates", fontsize=9)
    figure.supylabel(y_label, fontsize=9)
