"""A new level is seen when it is there, and not when it is not."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from running import bench_inside, tiny_run

from bench.analysis.history import METRICS, MetricHistory, Point, change_points
from bench.report.history import frame
from bench.report.timeline import timeline


def noise(count: int, seed: int, size: float = 0.02) -> np.ndarray:
    return np.exp(size * np.random.default_rng(seed).standard_normal(count))


def test_a_new_level_is_found_where_it_begins() -> None:
    for seed in range(20):
        values = noise(20, seed)
        values[12:] *= 1.25
        assert change_points(list(values)) == (12,)
    both = noise(30, 1)
    both[10:20] *= 0.7
    assert change_points(list(both)) == (10, 20)


def test_noise_alone_is_seldom_taken_for_a_change() -> None:
    """Of 20 runs of the same, in fewer than 3 of 100 cases."""
    false = sum(bool(change_points(list(noise(20, seed)))) for seed in range(300))
    assert false <= 0.03 * 300


def test_one_odd_run_is_no_level_and_neither_is_less_than_a_percent() -> None:
    values = [1.0] * 12
    assert change_points(values) == ()
    assert change_points([*values[:6], 3.0, *values[6:]]) == ()
    assert change_points([1.0] * 6 + [1.005] * 6) == ()
    assert change_points([1.0] * 6 + [1.2] * 6) == (6,)
    assert change_points([1.0, 2.0, 2.0]) == ()
    assert change_points([1.0, float("nan"), 2.0, 2.0]) == ()


def test_scores_that_may_be_zero_have_levels_too() -> None:
    assert change_points([0.0] * 6 + [1.0] * 6) == (6,)
    assert change_points([0.0] * 12) == ()


def made_up(values: Sequence[float], changes: tuple[int, ...] = ()) -> MetricHistory:
    points = [
        Point(f"run-{k}", f"2026-01-{k + 1:02d}T00:00:00", v, 0.9 * v, 1.1 * v, f"torch 2.{k}")
        for k, v in enumerate(values)
    ]
    return MetricHistory("torch lstm adding", tuple(points), changes)


def test_a_change_is_told_with_its_size_its_run_and_what_ran() -> None:
    shown = frame([made_up([0.010] * 5 + [0.013] * 5, (5,))], METRICS["step"])
    assert shown["reason"].tolist() == ["+30.0% at run-5 (torch 2.5)"]
    assert shown["first ms"].tolist() == ["10.0"]
    assert shown["now ms"].tolist() == ["13.0"]
    assert frame([made_up([1.0] * 3)], METRICS["score"])["reason"].tolist() == ["no change"]


def test_the_figure_has_a_panel_a_series(tmp_path: Path) -> None:
    found = [made_up([0.01] * 5 + [0.013] * 5, (5,)), made_up([1.0, 2.0]), made_up([1.0, 2.0])]
    figure = timeline(found, "step", METRICS["step"])
    assert sum(axes.get_visible() for axes in figure.axes) == 3
    figure.savefig(tmp_path / "f.png")
    assert imread(tmp_path / "f.png").std() > 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs: one measured, and copies of it, of which the last three are slower."""
    root = tmp_path_factory.mktemp("runs")
    chosen = ("--cells", "lstm", "--probes", "speed", "learning", "--launches", "1")
    assert tiny_run(root, *chosen, run="run-0").returncode == 0
    for k in range(1, 6):
        shutil.copytree(root / "run-0", root / f"run-{k}")
    for k in range(6):
        file = root / f"run-{k}" / "records.jsonl"
        found = [json.loads(line) for line in file.read_text().splitlines()]
        for one in found:
            one["run"], one["started"] = f"run-{k}", f"2026-01-0{k + 1}T00:00:00"
            slower = 1.5 if k >= 3 else 1.0
            one["samples"] = {
                n: [slower * v for v in vs] if one["probe"] == "speed" else vs
                for n, vs in one["samples"].items()
            }
        file.write_text("".join(json.dumps(one) + "\n" for one in found))
    return root


def test_the_command_tells_and_draws_what_changed(runs: Path, tmp_path: Path) -> None:
    done = bench_inside("history", "--results-dir", runs, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "+50.0% at run-3" in done.stdout
    assert "1 of 1 series changed" in done.stdout
    assert (tmp_path / "history-step.png").exists()
    level = bench_inside(
        "history", "--metric", "score", "--results-dir", runs, "--output", tmp_path
    )
    assert "0 of 1 series changed" in level.stdout
    assert bench_inside("history", "nothing", "--results-dir", runs).returncode == 3


def test_runs_of_another_machine_and_wrong_words_are_named(runs: Path, tmp_path: Path) -> None:
    wrong = bench_inside("history", "--metric", "stpe", "--results-dir", runs)
    assert (wrong.returncode, "did you mean step" in wrong.stderr) == (2, True)
    assert bench_inside("history", "--results-dir", tmp_path).returncode == 2
    shutil.copytree(runs / "run-0", tmp_path / "run-0")
    info = json.loads((tmp_path / "run-0" / "run.json").read_text())
    info["machine"]["processor"] = "another"
    (tmp_path / "run-0" / "run.json").write_text(json.dumps(info))
    done = bench_inside("history", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "no runs of this machine" in done.stderr
