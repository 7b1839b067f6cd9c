"""Change points of a metric over stored runs, their table, their plot and the command."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from report_records import learning_record, parity_record
from running import bench_inside, tiny_run

from bench.analysis.history import METRICS, MetricHistory, Point, change_points, metric_histories
from bench.records.folder import RunFolder
from bench.report.history_plot import history_figures
from bench.report.history_table import history_table
from bench.report.layout import HEIGHT


def noisy(count: int, seed: int, sigma: float = 0.02) -> np.ndarray:
    """Values around 1 with lognormal noise."""
    return np.exp(sigma * np.random.default_rng(seed).standard_normal(count))


def test_new_level_is_found_where_it_begins() -> None:
    for seed in range(20):
        values = noisy(20, seed)
        values[12:] *= 1.25
        assert change_points(list(values)) == (12,)
    two_changes = noisy(30, 1)
    two_changes[10:20] *= 0.7
    assert change_points(list(two_changes)) == (10, 20)


def test_noise_alone_is_seldom_reported_as_a_change() -> None:
    """At most 3% false positives for 20 runs at the same level."""
    false_positives = sum(bool(change_points(list(noisy(20, seed)))) for seed in range(300))
    assert false_positives <= 0.03 * 300


def test_one_odd_run_or_a_change_below_one_percent_makes_no_level() -> None:
    values = [1.0] * 12
    assert change_points(values) == ()
    assert change_points([*values[:6], 3.0, *values[6:]]) == ()
    assert change_points([1.0] * 6 + [1.005] * 6) == ()
    assert change_points([1.0] * 6 + [1.2] * 6) == (6,)
    assert change_points([1.0, 2.0, 2.0]) == ()
    assert change_points([1.0, float("nan"), 2.0, 2.0]) == ()


def test_scores_of_zero_have_levels_too() -> None:
    assert change_points([0.0] * 6 + [1.0] * 6) == (6,)
    assert change_points([0.0] * 12) == ()


def history(values: Sequence[float], changes: tuple[int, ...] = ()) -> MetricHistory:
    """A history with an interval of ± 10% at each point."""
    points = [
        Point(f"run-{k}", datetime(2026, 1, k + 1), v, 0.9 * v, 1.1 * v, f"torch 2.{k}")
        for k, v in enumerate(values)
    ]
    return MetricHistory("torch lstm adding", tuple(points), changes)


def test_change_is_shown_with_its_size_its_run_and_its_versions() -> None:
    table = history_table([history([0.010] * 5 + [0.013] * 5, (5,))], METRICS["step"])
    assert table["reason"].tolist() == ["+30.0% at run-5 (torch 2.5)"]
    assert table["first ms"].tolist() == ["10.0"]
    assert table["now ms"].tolist() == ["13.0"]
    unchanged = history_table([history([1.0] * 3)], METRICS["score"])
    assert unchanged["reason"].tolist() == ["no change"]


def test_figure_has_a_panel_for_each_series(tmp_path: Path) -> None:
    histories = [history([0.01] * 5 + [0.013] * 5, (5,)), history([1.0, 2.0]), history([1.0, 2.0])]
    (figure,) = history_figures(histories, "step", METRICS["step"])
    assert sum(axes.get_visible() for axes in figure.axes) == 3
    figure.savefig(tmp_path / "f.png")
    assert imread(tmp_path / "f.png").std() > 0
    many = history_figures([history([1.0, 2.0])] * 30, "step", METRICS["step"])
    assert len(many) > 1 and max(page.get_figheight() for page in many) <= HEIGHT
    assert sum(axes.get_visible() for page in many for axes in page.axes) == 30


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs: one measured run and copies of it, the last three with slower times."""
    root = tmp_path_factory.mktemp("runs")
    options = ("--cells", "lstm", "--probes", "speed", "learning", "--launches", "1")
    assert tiny_run(root, *options, run="run-0").returncode == 0
    for k in range(1, 6):
        shutil.copytree(root / "run-0", root / f"run-{k}")
    for k in range(6):
        file = root / f"run-{k}" / "records.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        factor = 1.5 if k >= 3 else 1.0
        for record in records:
            record["run"], record["started"] = f"run-{k}", f"2026-01-0{k + 1}T00:00:00"
            del record["checksum"]
            if record["probe"] == "speed":
                samples = record["samples"].items()
                record["samples"] = {phase: [factor * v for v in vs] for phase, vs in samples}
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return root


def test_command_prints_and_plots_what_changed(runs: Path, tmp_path: Path) -> None:
    folders = ("--results-dir", runs, "--output", tmp_path)
    done = bench_inside("history", *folders)
    assert done.returncode == 0, done.stderr
    assert "+50.0% at run-3" in done.stdout
    assert "1 of 1 series changed" in done.stdout
    assert (tmp_path / "history-step.png").exists()
    scores = bench_inside("history", "--metric", "score", *folders)
    assert "0 of 1 series changed" in scores.stdout
    assert bench_inside("history", "nothing", "--results-dir", runs).returncode == 3


def test_run_that_is_there_twice_counts_once(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    shutil.copytree(runs / "run-1", tmp_path / "runs" / "run-9")
    (tmp_path / "runs" / "link").symlink_to("run-2")
    done = bench_inside("history", "--results-dir", tmp_path / "runs", "--output", tmp_path)
    assert "over 6 runs of this machine" in done.stdout
    assert done.stderr.startswith("run-9 is a copy of run-1\n")


def test_runs_are_in_the_order_of_their_instants() -> None:
    starts = {"later": "2026-01-01T20:00:00-05:00", "earlier": "2026-01-02T00:30:00+00:00"}
    records = [
        replace(record, run=run, started=started)
        for run, started in starts.items()
        for record in (parity_record(), learning_record())
    ]
    [series] = metric_histories(records, {}, "score")
    assert [point.run for point in series.points] == ["earlier", "later"]


def test_unknown_metrics_and_runs_of_another_machine_are_refused(
    runs: Path, tmp_path: Path
) -> None:
    misspelt = bench_inside("history", "--metric", "stpe", "--results-dir", runs)
    assert (misspelt.returncode, "did you mean step" in misspelt.stderr) == (2, True)
    assert bench_inside("history", "--results-dir", tmp_path).returncode == 2
    shutil.copytree(runs / "run-0", tmp_path / "run-0")
    folder = RunFolder(tmp_path / "run-0")
    info = folder.info()
    info["machine"]["processor"] = "another"
    folder.write_info(info)
    done = bench_inside("history", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "no runs of this machine" in done.stderr


def test_change_from_zero_is_shown_by_the_new_level() -> None:
    table = history_table([history([0.0] * 5 + [2.0] * 5, (5,))], METRICS["score"])
    assert table["reason"].tolist() == ["from 0 to 2.00 at run-5 (torch 2.5)"]


def test_interval_that_begins_at_zero_is_shown() -> None:
    table = history_table([history([0.0] * 3)], METRICS["score"])
    assert table["last interval"].tolist() == ["0–0"]
