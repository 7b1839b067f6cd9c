"""Every figure is drawn, shows all values, and looks the same for the same backend."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from report_records import (
    CELLS,
    SAMPLES,
    all_probes,
    gradients_record,
    learning_record,
    parity_record,
    run_folder,
    speed_record,
    tables_of,
    three_backends,
)

import backends
from bench.records.record import Record
from bench.report.figures import learning_figure
from bench.report.files import write_report
from bench.report.growth import growth_figure, growth_series
from bench.report.layout import HEIGHT, pages
from bench.report.plots import STYLE, plots, save_pages
from bench.report.styles import line_style, line_styles
from bench.report.time_figures import time_figures


def test_every_figure_is_drawn_and_none_is_blank(tmp_path: Path) -> None:
    formats = ["plots", "markdown"]
    paths = write_report([run_folder(tmp_path)], three_backends(), formats, tmp_path / "out")
    names = ("learning", "gradient", "gradient-norm")
    names += ("step-time", "forward-time", "gradients-time")
    assert [path.name for path in paths[1:]] == [f"{name}-adding.png" for name in names]
    for path in paths[1:]:
        pixels = np.asarray(imread(path))[..., :3]
        assert pixels.shape[1] >= 800
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
        assert f"({path.name})" in paths[0].read_text()


@pytest.mark.parametrize("slowest", [3.0, 300.0])
def test_every_launch_lies_within_its_axis_and_a_linear_axis_starts_at_zero(
    slowest: float,
) -> None:
    factors = {"rnn": 0.5, "lstm": slowest, "gru": 1.0}
    records = [r for cell, factor in factors.items() for r in all_probes(factor, cell=cell)]
    speed = tables_of(records).speed
    (figure,) = time_figures("adding", speed, "step", "training update", line_styles(["torch"]))
    panels = figure.axes
    for axes, launches in zip(panels, speed["step_launches_s"], strict=True):
        low, high = axes.get_xlim()
        assert low < 1e3 * min(launches) <= 1e3 * max(launches) < high
        assert axes.get_xscale() == ("log" if slowest > 20 else "linear")
        assert low == 0 or slowest > 20
    assert ("logarithmic" if slowest > 20 else "from zero") in panels[-1].get_xlabel()


def test_scores_chance_and_threshold_lie_within_the_axes() -> None:
    rows = tables_of([r for cell in CELLS for r in all_probes(cell=cell)]).rows
    for axes in learning_figure("adding", rows, line_styles(["torch"])).axes:
        low, high = axes.get_ylim()
        drawn = np.concatenate([line.get_ydata() for line in axes.lines])
        assert {0.5, 0.2, 0.02, 1 / 6, 0.01} <= set(drawn.tolist())
        assert low < drawn.min()
        assert drawn.max() < high


def test_backend_has_the_same_colour_and_marks_in_every_figure() -> None:
    assert [line_style(n).colour for n in ("jax", "numpy", "tensorflow", "torch", "./mine.py")] == [
        *("#882255", "#000000", "#009E73", "#0072B2", "#E69F00")
    ]
    names = ["torch", "mine", "jax"]
    for name, style in line_styles(names).items():
        assert replace(style, width=0) == replace(line_style(name), width=0)
    assert line_styles(names) == line_styles(reversed(names))
    other_conditions = line_style("jax [XLA_FLAGS=--xla_cpu_enable_fast_math=true]")
    assert other_conditions.colour == line_style("jax").colour


def test_built_in_backends_differ_in_colour_or_mark_and_the_default_ones_in_colour() -> None:
    styles = {name: line_style(name) for name in backends.names()}
    assert len({(style.colour, style.marker) for style in styles.values()}) == len(styles)
    assert len({(style.colour, style.dashes) for style in styles.values()}) == len(styles)
    for family in (backends.DEFAULT, [n for n in styles if "torch" in n], [*styles][:5]):
        assert len({styles[name].colour for name in family}) == len(family)


def many_backends(count: int) -> list[Record]:
    names = [f"tensorflow-number-{k}" for k in range(count)]
    records = [
        r
        for cell in CELLS
        for k, name in enumerate(names)
        for r in all_probes(1 + k, backend=name, cell=cell, launches=2)
    ]
    return [r for r in records if r.probe != "memory"]


def test_figures_fit_a_page_and_no_text_is_cut(tmp_path: Path) -> None:
    tables = tables_of(many_backends(30))
    styles = line_styles(row.backend for row in tables.rows)
    title = "a-task-of-a-plug-in length=1234 batch=4321, cuda:1, bfloat16, run 2026-11-29T08-22-00"
    with rc_context(STYLE):
        figures = [
            *time_figures(title, tables.speed, "step", "training update", styles),
            learning_figure(title, tables.rows, styles),
        ]
        labels = [axes.get_yticklabels() for figure in figures[:-1] for axes in figure.axes]
        assert sum(map(len, labels)) == 90
        for figure in figures:
            assert beyond_the_edge(figure) == []
            assert figure.get_figheight() <= HEIGHT
    paths = save_pages(figures, tmp_path / "f.png")
    assert [path.name for path in paths[:2]] == ["f.png", "f-2.png"]
    assert all(path.exists() for path in paths)
    assert save_pages([], tmp_path / "f.png") == []


def beyond_the_edge(figure: Figure) -> list[float]:
    """How far anything reaches beyond the four edges of the figure, in inches."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    distances = (-box.x0, -box.y0, box.x1 - width, box.y1 - height)
    return [distance for distance in distances if distance > 0.01]


def test_text_beyond_the_edge_is_found_by_the_check() -> None:
    figure = Figure(figsize=(2, 2))
    figure.text(0.5, 0.5, "short")
    assert beyond_the_edge(figure) == []
    figure.text(0.5, 0.5, "far too long for a figure of this width", fontsize=12)
    assert len(beyond_the_edge(figure)) == 1


def test_pages_keep_the_order_and_hold_as_much_as_fits() -> None:
    assert pages("abcd", [4.0, 4.0, 4.0, 1.0], 1.0) == [["a", "b"], ["c", "d"]]
    assert pages("ab", [20.0, 1.0], 1.0) == [["a"], ["b"]]
    assert pages("", [], 1.0) == []


def test_figures_of_different_devices_and_sizes_have_different_file_names(tmp_path: Path) -> None:
    records = [
        r
        for device in ("cpu", "cuda:0")
        for length in (10, 50)
        for r in (
            parity_record(device=device, length=length),
            speed_record(device=device, length=length),
        )
    ]
    paths = write_report([run_folder(tmp_path)], records, ["plots"], tmp_path)
    assert {path.name for path in paths} == {
        f"{phase}-time-adding-length-{length}-{device}.png"
        for phase in SAMPLES
        for length in (10, 50)
        for device in ("cpu", "cuda-0")
    }


def test_figures_are_drawn_from_numbers_that_are_missing_or_zero(tmp_path: Path) -> None:
    records = [
        parity_record(),
        learning_record(None),
        learning_record(None, seed=1),
        gradients_record([0.0, 0.0, 0.0]),
        speed_record(samples={phase: [1e-3] for phase in SAMPLES}),
    ]
    assert len(write_report([run_folder(tmp_path)], records, ["plots"], tmp_path)) == 6


def test_growth_is_drawn_where_single_size_takes_three_values_and_all_else_stays() -> None:
    sizes = [{"length": n, "batch": 16} for n in (10, 20, 40)] + [{"length": 10, "batch": 32}]
    tables = tables_of([r for size in sizes for r in all_probes(size["length"] / 10, **size)])
    (series,) = growth_series(tables.rows, tables.speed, "step")
    assert series.option == "length"
    assert [length for length, _ in series.points] == [10, 20, 40]
    first = series.points[0][1]
    assert [seconds / first for _, seconds in series.points] == pytest.approx([1, 2, 4])
    styles = line_styles(["torch"])
    assert growth_figure(tables.rows, tables.speed, "step", styles) is not None
    single_size = tables_of(all_probes())
    assert growth_figure(single_size.rows, single_size.speed, "step", styles) is None


def test_curve_that_overflows_is_drawn_as_far_as_it_can_be(tmp_path: Path) -> None:
    curve = [0.5, 1.7e308, -1.7e308]
    records = [parity_record(), learning_record(), gradients_record(initial=(1e308, 1.0, 5e-324))]
    steps = {"checkpoint_step": [0, 10, 1.7e308]}
    drawn = [
        records[0],
        *(replace(r, samples={**r.samples, **steps, "mse": curve}) for r in records[1:]),
    ]
    paths = [path for group in plots(tables_of(drawn), tmp_path).values() for path in group]
    assert len(paths) == 3
