"""The command `run`: its plan, its output, and runs that are extended."""

import re
from pathlib import Path

import pytest
from running import (
    MISBEHAVING,
    PLUGIN,
    TINY,
    bench_inside,
    copy_run,
    keep_lines,
    records,
    start,
    tiny_run,
    tiny_run_inside,
    wait_until,
)

from bench.records.folder import RunFolder


def plan(root: Path, *words: str) -> str:
    """The output of a dry run of the numpy backend."""
    done = bench_inside(*TINY, "--backends", "numpy", *words, "--dry-run", "--results-dir", root)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_lists_by_space_and_by_comma_are_the_same(tmp_path: Path) -> None:
    spaced = plan(tmp_path, "--cells", "rnn", "gru", "--probes", "learning", "memory")
    assert spaced == plan(tmp_path, "--cells", "rnn,gru", "--probes", "learning,", "memory")
    assert spaced != plan(tmp_path, "--cells", "rnn", "--probes", "learning", "memory")
    assert spaced == plan(tmp_path, "--cells", "rnn,rnn", "gru", "--probes", "learning,memory")


def test_dry_run_prints_every_case_and_a_time_and_writes_nothing(tmp_path: Path) -> None:
    lines = plan(tmp_path, "--cells", "rnn", "--seeds", "1", "2", "--launches", "2").splitlines()
    assert list(tmp_path.iterdir()) == []
    assert lines[:-2] == [
        f"numpy rnn adding float32 {repetition}"
        for repetition in (
            *("parity seed 1", "learning seed 1", "gradients seed 1", "learning seed 2"),
            *("gradients seed 2", "memory seed 1", "speed launch 0", "speed launch 1"),
        )
    ]
    assert re.fullmatch(r"8 cases in 4 worker processes, about \d+ s", lines[-2])


def test_dry_run_of_a_resumed_run_shows_only_missing_cases(
    finished_run: Path, tmp_path: Path
) -> None:
    file = copy_run(finished_run, tmp_path)
    resume = ("--resume", "r", "--dry-run", "--results-dir", tmp_path)
    assert bench_inside(*resume).stdout.startswith("0 cases in 0 worker processes, about 0 s\n")
    before = file.read_bytes()
    more_seeds = ("--cells", "rnn", "--probes", "learning,gradients", "--seeds", "0,1")
    measured_before = "(5 cases estimated from earlier runs here, the others roughly)\n"
    assert plan(tmp_path, *more_seeds).endswith(measured_before)
    keep_lines(tmp_path, 1)
    lines = bench_inside(*resume).stdout.splitlines()
    assert [line.split()[4] for line in lines[:-2]] == ["learning", "gradients"]
    assert before.startswith(file.read_bytes())


def test_resumed_run_plans_the_same_cases_whatever_the_options_were(tmp_path: Path) -> None:
    """The run is killed before its first record, which a hanging backend never gives."""
    sizes = ("adding:steps=2:length=5:held_out=10", "adding:steps=3:length=4:held_out=9")
    words = (
        *("--backends", MISBEHAVING, "--tasks", *sizes, "--cells", "gru", "--dtypes", "float64"),
        *("--seeds", "4", "7", "--init", "uniform", "--optimiser", "sgd", "--profile", "smoke"),
        *("--probes", "gradients", "speed", "--launches", "2"),
    )
    new = (*words, "--run-id", "r", "--results-dir", tmp_path)
    with start(*new, environment={"MISBEHAVE": "hang * * *"}) as process:
        wait_until((tmp_path / "r").exists)
        process.kill()
    planned = bench_inside(*words, "--dry-run", "--results-dir", tmp_path)
    resume = ("--resume", "r", "--backends", MISBEHAVING, "--dry-run")
    resumed = bench_inside(*resume, "--results-dir", tmp_path)
    assert resumed.stdout == planned.stdout
    assert resumed.stdout.startswith(f"{MISBEHAVING} gru adding float64 parity seed 4\n")
    assert resumed.stdout.count("\n") == 2 * (1 + 2 + 2) + 2


def test_resumed_run_can_be_extended(finished_run: Path, tmp_path: Path) -> None:
    file = copy_run(finished_run, tmp_path)
    before = file.read_bytes()
    assert bench_inside("--resume", tmp_path / "r", "--seeds", "0,1").returncode == 0
    assert file.read_bytes().startswith(before)
    assert [r["case"]["seed"] for r in records(tmp_path)] == [0, 0, 0, 1, 1]


def test_plan_and_estimate_come_first_and_a_line_when_a_unit_ends(tmp_path: Path) -> None:
    done = tiny_run(tmp_path, "--cells", "gru")
    assert done.returncode == 0
    first, second, third, *lines = done.stderr.splitlines()
    assert first.startswith("run r: numpy on cpu; adding; gru; float32; ")
    assert re.fullmatch(r"5 cases in 3 worker processes, about \d+ s", second)
    assert third == "(0 cases estimated from earlier runs here, the others roughly)"
    progress = [line for line in lines if "; done: " in line]
    assert [line.partition(" of 5 cases, 0 failed, about ")[0] for line in progress] == list("345")
    assert progress[0].endswith("done: numpy on cpu, 3 cases of parity, learning, gradients")
    assert "run r: 5 cases in" in done.stdout
    assert {r["status"] for r in records(tmp_path)} == {"ok"}
    environments = RunFolder.existing(tmp_path, "r").info()["environments"]
    assert {r["environment"] for r in records(tmp_path)} == set(environments)


def test_run_times_only_the_chosen_phases(tmp_path: Path) -> None:
    chosen = ("--cells", "lstm", "--probes", "speed", "--phases", "forward")
    done = tiny_run_inside(tmp_path, *chosen)
    assert done.returncode == 0, done.stderr
    _, speed = records(tmp_path)
    assert speed["case"]["phases"] == "forward"
    assert [*speed["samples"]] == ["forward", "floor.forward.numpy"]
    assert "Speed: forward pass. On " in done.stdout
    assert "training update" not in done.stdout


def test_failed_and_skipped_cases_run_once_more_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = ("--cells", "rnn", "lstm", "--probes", "learning")
    monkeypatch.setenv("MISBEHAVE", "wrong rnn parity *; fail lstm learning *")
    failed = tiny_run_inside(tmp_path, *PLUGIN, *cases)
    assert failed.returncode == 1
    first = [(r["case"]["cell"], r["probe"], r["status"]) for r in records(tmp_path)]
    assert [status for *_, status in first] == ["failed", "skipped", "ok", "failed"]
    monkeypatch.delenv("MISBEHAVE")
    resume = ("--resume", "r", *PLUGIN, "--results-dir", tmp_path)
    assert bench_inside(*resume).returncode == 1
    assert len(records(tmp_path)) == len(first)
    again = bench_inside(*resume, "--again")
    assert again.returncode == 0
    assert "3 recorded cases run again: they failed or were skipped, or the code" in again.stderr
    repeated = [(r["case"]["cell"], r["probe"], r["status"]) for r in records(tmp_path)[4:]]
    assert repeated == [(cell, probe, "ok") for cell, probe, old in first if old != "ok"]
    assert "run r: 4 cases in" in again.stdout and ", 0 failed" in again.stdout
    assert bench_inside(*resume, "--again").stderr.count("0 cases in 0 worker processes") == 1
