"""Every figure is drawn, shows all values, and looks the same for the same backend."""

from pathlib import Path

import numpy as np
import pytest
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

from bench.report.figures import learning_figure, step_time_figure
from bench.report.files import write_report
from bench.report.growth import growth_figure, growth_series
from bench.report.panels import line_styles


def test_every_figure_is_drawn_and_none_is_blank(tmp_path: Path) -> None:
    formats = ["plots", "markdown"]
    paths = write_report([run_folder(tmp_path)], three_backends(), formats, tmp_path / "out")
    names = ("learning", "gradient", "gradient-norm", "step-time")
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
    panels = step_time_figure("adding", speed, line_styles(["torch"])).axes
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


def test_backend_has_the_same_style_in_every_figure() -> None:
    names = [f"b{k}" for k in range(20)]
    assert line_styles(names) == line_styles(reversed(names))
    styles = line_styles(names).values()
    assert len({(style.colour, style.dashes) for style in styles}) == 20
    assert len({(style.colour, style.marker) for style in styles}) == 20


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
        f"step-time-adding-length-{length}-{device}.png"
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
    assert len(write_report([run_folder(tmp_path)], records, ["plots"], tmp_path)) == 4


def test_growth_is_drawn_where_single_size_takes_three_values_and_all_else_stays() -> None:
    sizes = [{"length": n, "batch": 16} for n in (10, 20, 40)] + [{"length": 10, "batch": 32}]
    tables = tables_of([r for size in sizes for r in all_probes(size["length"] / 10, **size)])
    (series,) = growth_series(tables.rows, tables.speed)
    assert series.option == "length"
    assert [length for length, _ in series.points] == [10, 20, 40]
    first = series.points[0][1]
    assert [seconds / first for _, seconds in series.points] == pytest.approx([1, 2, 4])
    styles = line_styles(["torch"])
    assert growth_figure(tables.rows, tables.speed, styles) is not None
    single_size = tables_of(all_probes())
    assert growth_figure(single_size.rows, single_size.speed, styles) is None
