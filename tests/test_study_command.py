"""The command runs what is left of a study, and continues after a stop."""

import json
import lzma
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from running import bench_inside
from study_records import SMOKE, small_experiment

import backends
from bench.options import WorkerOptions
from studies import study_command
from studies.experiment import Study
from tasks import forecasting

SMALL = Study(
    about="for the test",
    main_backend="numpy",
    other_backends=(),
    experiments=(
        small_experiment("first", cells=("rnn",), seeds=2),
        small_experiment("second", task=replace(SMOKE, length=4), cells=("gru",), seeds=1),
    ),
)


@pytest.fixture
def small_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only study is `small`."""
    monkeypatch.setattr(study_command, "STUDIES", {"small": SMALL})


def run_small(
    root: Path,
    *words: str,
    only: Sequence[str] | None = None,
    dry_run: bool = False,
    again: bool = False,
) -> int:
    return study_command.study_command(
        "small",
        words,
        WorkerOptions(jobs=2),
        backends=backends,
        entry=ROOT / "run_bench.py",
        root=root,
        only=only,
        device="cpu",
        again=again,
        dry_run=dry_run,
    )


def lines(root: Path) -> list[str]:
    """The packed records of the study `small`."""
    folder = root / "small"
    assert not (folder / "records.jsonl").exists()
    return lzma.decompress((folder / "records.jsonl.xz").read_bytes()).decode().splitlines()


@pytest.mark.usefixtures("small_study")
def test_study_runs_in_parts_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_small(tmp_path, dry_run=True) == 0
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "study small: planning its cases"
    assert second == f"study small: numpy; records in {tmp_path / 'small'}"
    assert third.startswith("5 of 5 cases left, about ")
    assert not list(tmp_path.iterdir())
    assert run_small(tmp_path, "first") == 0
    assert run_small(tmp_path, dry_run=True) == 0
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "first 0 of 3 0 s" in rows
    assert any(row.startswith("second 2 of 2 ") for row in rows)
    first = lines(tmp_path)
    table = tmp_path / "small" / "table.md"
    assert "second" not in table.read_text()
    assert run_small(tmp_path) == 0
    everything = lines(tmp_path)
    assert everything[: len(first)] == first
    cells = [json.loads(line)["case"]["cell"] for line in everything]
    assert cells == ["rnn"] * 3 + ["gru"] * 2
    assert "second" in table.read_text()
    assert run_small(tmp_path) == 0
    assert lines(tmp_path) == everything
    shorter = replace(SMALL, experiments=SMALL.experiments[1:])
    monkeypatch.setattr(study_command, "STUDIES", {"small": shorter})
    assert run_small(tmp_path) == 0
    assert "3 records belong to no experiment" in capsys.readouterr().err


@pytest.mark.usefixtures("small_study")
def test_failed_and_skipped_cases_run_again_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_small(tmp_path, "second") == 0
    proof, learning = map(json.loads, lines(tmp_path))
    del proof["checksum"], learning["checksum"]
    proof |= {"status": "failed", "reason": "parity: all of it", "metrics": {}, "samples": {}}
    learning |= {"status": "skipped", "reason": "not proven", "metrics": {}, "samples": {}}
    (tmp_path / "small" / "records.jsonl.xz").unlink()
    file = tmp_path / "small" / "records.jsonl"
    file.write_text(f"{json.dumps(proof)}\n{json.dumps(learning)}\n")
    assert run_small(tmp_path, "second") == 1
    output = capsys.readouterr()
    assert "0 of 2 cases left" in output.err
    assert "- failed: numpy gru adding, parity" in output.out
    assert run_small(tmp_path, "second", again=True) == 0
    output = capsys.readouterr()
    assert "2 of 2 cases left" in output.err and "- failed" not in output.out
    assert run_small(tmp_path, "second", again=True) == 0
    assert len(lines(tmp_path)) == 4


@pytest.mark.usefixtures("small_study")
def test_experiment_without_its_data_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "pmdarima is not installed"
    monkeypatch.setattr(forecasting.Forecasting, "unavailable", lambda _: reason)
    airline = small_experiment(
        "airline", task_name="forecasting", task=forecasting.PROFILES["airline"]
    )
    study = replace(SMALL, experiments=(*SMALL.experiments, airline))
    monkeypatch.setattr(study_command, "STUDIES", {"small": study})
    assert run_small(tmp_path, dry_run=True) == 0
    errors = capsys.readouterr().err
    assert "not run: airline: task forecasting: pmdarima is not installed" in errors
    assert "5 of 5 cases left" in errors


@pytest.mark.usefixtures("small_study")
def test_study_that_was_killed_while_writing_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_small(tmp_path, "second") == 0
    everything = lines(tmp_path)
    (tmp_path / "small" / "records.jsonl.xz").unlink()
    file = tmp_path / "small" / "records.jsonl"
    file.write_text("\n".join(everything)[:-40])
    assert run_small(tmp_path, "second") == 0
    errors = capsys.readouterr().err
    assert "set aside" in errors and "1 of 2 cases left" in errors
    assert len(lines(tmp_path)) == len(everything)


def test_one_backend_of_a_study_can_run_first(tmp_path: Path) -> None:
    words = ("study", "papers", "--dry-run", "--results-dir", tmp_path, "mnist")
    for only, count in ((("--backends", "jax"), 6), (("--backends", "torch,numpy"), 8), ((), 18)):
        assert f"{count} of {count} cases left" in bench_inside(*words, *only).stderr


def test_results_folder_must_not_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = bench_inside("study", "papers", "--dry-run", "--results-dir", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file} is not a folder" in done.stderr


@pytest.mark.parametrize("device", ["gpu", "auto", "cuda:x"])
def test_unknown_device_is_refused(device: str) -> None:
    done = bench_inside("study", "papers", "--device", device)
    assert done.returncode == 2
    assert f"unknown device '{device}'. Known: cpu, cuda" in done.stderr


def test_first_gpu_has_two_names() -> None:
    errors = [
        bench_inside("study", "papers", "--device", device, "--dry-run").stderr
        for device in ("cuda", "cuda:0")
    ]
    assert errors[0] == errors[1] and "cuda:0" not in errors[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("study", "novels"), "unknown study 'novels'. Known: papers, claims, tasks"),
        (
            ("study", "papers", "--backends", "jxa"),
            "unknown backend of the study 'jxa'; did you mean jax? Known: jax, numpy, torch",
        ),
        (("study", "papers", "zebra"), "no row of papers has zebra in its name: 1: embedded"),
    ],
)
def test_unknown_word_is_refused_with_the_choices(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = bench_inside(*words, "--results-dir", tmp_path)
    assert done.returncode == 2 and message in done.stderr
    assert not list(tmp_path.iterdir())
