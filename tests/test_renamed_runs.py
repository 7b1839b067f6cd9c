"""A run is what its folder is called, whatever its records say and however it is named."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
from report_records import INFO, learning_record, parity_record
from running import bench_inside, copy_run, keep_lines, tiny_run_inside

from bench.records.folder import RunFolder
from bench.report.report_command import report_command


def write_run(root: Path, path: str, name: str, score: float) -> None:
    """A run whose records were written when its folder was called `name`."""
    folder = RunFolder.create((root / path).parent, Path(path).name, INFO)
    for record in (parity_record(), learning_record(score)):
        folder.append(replace(record, run=name))


def reported_scores(root: Path, *runs: str) -> dict[str, float]:
    """The score that `report` writes for each of these runs below `root`."""
    paths = [str(root / run) for run in runs]
    assert report_command(paths, ["csv"], [], root / "out", root) == 0
    table = pd.read_csv(root / "out" / "learning.csv")
    return dict(zip(table["run"], table["score"], strict=True))


def test_renamed_runs_show_their_own_numbers(tmp_path: Path) -> None:
    write_run(tmp_path, "x/run1", "run1", 0.25)
    write_run(tmp_path, "y/run2", "run1", 0.75)
    assert reported_scores(tmp_path, "x/run1", "y/run2") == {"run1": 0.25, "run2": 0.75}


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    write_run(tmp_path, "x/run", "run", 0.25)
    write_run(tmp_path, "y/run", "run", 0.75)
    assert reported_scores(tmp_path, "x/run", "y/run") == {"x/run": 0.25, "y/run": 0.75}
    assert reported_scores(tmp_path, "x/run", "y/../x/run") == {"run": 0.25}


def test_folders_of_one_name_are_called_by_as_much_of_their_paths_as_it_takes() -> None:
    def names(*paths: str) -> list[str]:
        return [folder.id for folder in RunFolder.told_apart(RunFolder(Path(p)) for p in paths)]

    assert names("/a/r") == ["r"]
    assert names("/a/r", "/a/s", "/a/r") == ["r", "s"]
    assert names("/a/x/r", "/b/x/r", "/a/y/r") == ["a/x/r", "b/x/r", "a/y/r"]
    assert names() == []


def test_records_of_another_run_are_refused_although_all_else_is_equal(
    finished_run: Path, tmp_path: Path
) -> None:
    mine = copy_run(finished_run, tmp_path)
    another = tiny_run_inside(tmp_path / "s", "--cells", "rnn", "--probes", "learning,gradients")
    assert another.returncode == 0
    other = (tmp_path / "s" / "r" / "records.jsonl").read_bytes()
    mine.write_bytes(mine.read_bytes() + other)
    done = bench_inside("report", tmp_path / "r", "--format", "csv")
    assert done.returncode == 2
    assert "which run.json lacks" in done.stderr


def test_copy_of_a_run_under_another_name_is_resumed(finished_run: Path, tmp_path: Path) -> None:
    file = copy_run(finished_run, tmp_path)
    count = len(file.read_bytes().splitlines())
    keep_lines(tmp_path, count - 1)
    (tmp_path / "r").rename(tmp_path / "renamed")
    done = bench_inside("--resume", "renamed", "--results-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "renamed" / "records.jsonl").read_text().splitlines()
    assert [json.loads(line)["run"] for line in lines] == ["r"] * (count - 1) + ["renamed"]
    assert bench_inside("report", tmp_path / "renamed", "--format", "csv").stderr == ""
