"""A damaged or changed run is resumed where that is safe, and otherwise refused and left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import bench_inside, case_keys, copy_run, keep_lines, records

from bench.records.folder import RunFolder


def test_half_written_line_is_reported_and_set_aside_on_resume(
    finished_run: Path, tmp_path: Path
) -> None:
    file = copy_run(finished_run, tmp_path)
    keys, torn = case_keys(records(tmp_path)), file.read_bytes().splitlines()[1][:200]
    keep_lines(tmp_path, 1, torn)
    before = file.read_bytes()
    for command in (("report", "r"), ("--resume", "r", "--dry-run")):
        done = bench_inside(*command, "--results-dir", tmp_path)
        assert done.returncode == 2
        assert f"{file}, line 2 is half-written" in done.stderr
        assert file.read_bytes() == before
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert (done.returncode, "set aside" in done.stderr) == (0, True)
    assert case_keys(records(tmp_path)) == keys
    assert (tmp_path / "r" / "records.torn").read_bytes() == torn + b"\n"


def test_damaged_line_in_the_middle_stops_every_command_and_is_left_alone(
    finished_run: Path, tmp_path: Path
) -> None:
    file = copy_run(finished_run, tmp_path)
    second = file.read_bytes().splitlines(keepends=True)[1]
    for tail in (b"", b'{"schema": 1, "run'):
        keep_lines(tmp_path, 1, b'{"schema": 1\n' + second + tail)
        before = file.read_bytes()
        for command in (("report", "r"), ("--resume", "r")):
            done = bench_inside(*command, "--results-dir", tmp_path)
            assert done.returncode == 2
            assert f"{file}, line 2 is damaged" in done.stderr
            assert file.read_bytes() == before
    assert not (tmp_path / "r" / "records.torn").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"", "cannot be read"),
        (b'{"request": {"ce', "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "not a JSON object"),
        (b"{}", "lacks the request"),
        (b'{"request": []}', "request is []"),
        (b'{"request": {"seeds": [1]}, "environments": 1}', "environments is 1"),
        (b'{"request": {"seeds": [1]}, "environments": {"e": 1}}', "environments.e is 1"),
        (
            b'{"request": {"seeds": [1]}, "environments": {"e": {"variables": [1]}}}',
            "environments.e.variables is [1]",
        ),
        (b'{"request": {"seeds": [1]}, "variables": [1]}', "variables is [1]"),
        (b'{"request": {"seeds": [1]}, "versions": [1]}', "versions is [1]"),
        (b'{"request": {"seeds": [1]}, "machine": "here"}', "machine is 'here'"),
        (b'{"request": {"cells": "lstm"}}', "cells cannot be 'lstm'"),
        (b'{"request": {"seeds": ["1"]}}', "seeds cannot be ['1']"),
        (b'{"request": {"seeds": []}}', "seeds cannot be []"),
        (b'{"request": {"threads": "2"}}', "threads cannot be '2'"),
        (b'{"request": {"cell": ["lstm"]}}', "cell cannot be ['lstm']"),
    ],
)
def test_run_with_a_damaged_description_is_not_resumed(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "records.jsonl").touch()
    if content is not None:
        (folder / "run.json").write_bytes(content)
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "run.json" in done.stderr
    assert message in done.stderr
    assert (folder / "records.jsonl").read_bytes() == b""


def test_run_is_resumed_only_under_the_versions_it_was_started_with(
    finished_run: Path, tmp_path: Path
) -> None:
    copy_run(finished_run, tmp_path)
    folder = RunFolder(tmp_path / "r")
    info = folder.info()
    assert info["versions"]["numpy"] == np.__version__
    folder.write_info({**info, "versions": {**info["versions"], "numpy": "1.0"}})
    before = folder.info_file.read_bytes()
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert f"numpy 1.0 is now {np.__version__}" in done.stderr
    assert folder.info_file.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": {"cores": 999}}, "other machine facts: cores 999 → "),
        ({"machine": {"processor_quota": 0.25}}, "processor_quota 0.25 → "),
        ({"variables": {"OMP_WAIT_POLICY": "odd"}}, "OMP_WAIT_POLICY odd is now unset"),
    ],
)
def test_run_is_resumed_only_under_the_conditions_it_was_started_with(
    changes: dict[str, Any], message: str, finished_run: Path, tmp_path: Path
) -> None:
    copy_run(finished_run, tmp_path)
    folder = RunFolder(tmp_path / "r")
    info = folder.info()
    for name, values in changes.items():
        info[name] = {**info[name], **values}
    folder.write_info(info)
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_run_of_before_conditions_were_recorded_is_resumed(
    finished_run: Path, tmp_path: Path
) -> None:
    copy_run(finished_run, tmp_path)
    folder = RunFolder(tmp_path / "r")
    info = folder.info()
    del info["variables"], info["machine"]["processor_quota"]
    for environment in info["environments"].values():
        for name in ("variables", "instruction_sets", "physical_cores"):
            del environment[name]
    folder.write_info(info)
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[" not in done.stdout


def test_run_on_a_data_file_that_has_changed_is_not_resumed(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("y\n" + "".join(f"{k * k % 7}\n" for k in range(60)))
    words = ("--backends", "numpy", "--cells", "rnn", "--probes", "learning", "--profile", "smoke")
    series = ("--tasks", "forecasting:steps=1", "--data", file, "--column", "y")
    new = ("--run-id", "r", "--results-dir", tmp_path)
    assert bench_inside(*series, *words, *new).returncode == 0
    before = (tmp_path / "r" / "records.jsonl").read_text()
    file.write_text(file.read_text() + "3\n")
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2 and "mine.csv has changed since the run began" in done.stderr
    assert (tmp_path / "r" / "records.jsonl").read_text() == before


def test_packed_run_is_resumed_without_running_its_cases_again(
    finished_run: Path, tmp_path: Path
) -> None:
    copy_run(finished_run, tmp_path)
    folder = RunFolder.existing(tmp_path, "r")
    before = folder.records()
    folder.pack()
    done = bench_inside("--resume", "r", "--results-dir", tmp_path, "--cells", "rnn,gru")
    assert done.returncode == 0, done.stderr
    assert folder.records()[: len(before)] == before
    assert [r["case"]["cell"] for r in records(tmp_path)] == ["gru"] * 3
