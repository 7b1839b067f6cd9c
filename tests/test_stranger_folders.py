"""A folder from elsewhere is data: nothing in it is executed, followed or waited for."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
from planning import changed_case, example_record
from report_records import INFO, all_probes, parity_record
from running import TINY, bench_inside, copy_run

from bench.plan.units import Unit
from bench.records.folder import RecordsError, RunFolder
from bench.report.report_command import report_command
from bench.run.limits import Limits
from bench.run.measure import _spend_budget
from bench.run.process import WorkerProcess
from bench.run.worker_command import WorkerCommand

PLUGIN = """
from pathlib import Path
Path(__file__).with_suffix(".executed").touch()
from {package} import *
"""


# ---- nothing is executed -----------------------------------------------------------------------


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plug-in that leaves a file beside it when it is executed."""
    (tmp_path / "p.py").write_text(PLUGIN.format(package="backends.numpy_backend"))
    return tmp_path / "p.py"


def run_naming(root: Path, **request: Any) -> Path:
    """A run without records whose `run.json` has this request."""
    info = {**INFO, "request": {"cells": ["rnn"], "profile": "smoke", **request}}
    return RunFolder.create(root, "r", {**info, "machine": None}).path


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/.", "~/../{}"])
@pytest.mark.parametrize("option", ["backends", "tasks"])
def test_resumed_run_does_not_execute_a_plug_in_that_the_command_line_does_not_name(
    option: str, spelling: str, plugin: Path, tmp_path: Path
) -> None:
    word = spelling.format(plugin)
    others = {"backends": ["numpy"], "tasks": ["adding"]}
    folder = run_naming(tmp_path, **{**others, option: [*others[option], word]})
    for words in ((), ("--dry-run",), ("--budget", "10m")):
        done = bench_inside("--resume", folder, *words)
        assert done.returncode == 2
        assert f"add --{option} {others[option][0]} " in done.stderr
        assert str(plugin.name) in done.stderr
    assert not plugin.with_suffix(".executed").exists()


def test_resumed_run_executes_a_plug_in_that_the_command_line_names(
    plugin: Path, tmp_path: Path
) -> None:
    folder = run_naming(tmp_path, backends=[str(plugin)])
    done = bench_inside("--resume", folder, "--backends", plugin, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"{plugin} rnn adding float32 parity seed 0" in done.stdout
    assert plugin.with_suffix(".executed").exists()


def test_budget_is_spent_on_planned_models_whatever_else_is_recorded() -> None:
    launched: list[Unit] = []

    async def run_unit(unit: Unit, *_: object) -> None:
        launched.append(unit)

    planned = changed_case(probe="speed", launch=0, phase_s=0.1)
    foreign = changed_case(probe="speed", launch=0, phase_s=0.1, backend="./evil.py")
    records = [
        example_record(case=case.flat(), wall_s=0.01, samples={"step": [1e-3] * 12})
        for case in (planned, foreign)
    ]
    folder = SimpleNamespace(records=lambda: records)
    runner: Any = SimpleNamespace(folder=folder, run_unit=run_unit)
    for models in ({planned.model_key}, set[str]()):
        asyncio.run(_spend_budget(runner, perf_counter() + 1.2, models))
    assert {unit.backend for unit in launched} == {planned.backend}


@pytest.mark.parametrize("command", ["report", "compare", "history"])
def test_records_that_name_code_execute_nothing(
    command: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(run_naming(tmp_path / "runs", backends=[str(plugin)]))
    for record in all_probes(backend=str(plugin), task=str(plugin)):
        folder.append(record)
    words = {
        "report": (folder.path, "--format", "markdown"),
        "compare": (folder.path, folder.path, "--results-dir", tmp_path / "comparisons"),
        "history": ("--results-dir", tmp_path / "runs"),
    }[command]
    monkeypatch.setattr("bench.records.machine.machine_differences", lambda *_: [])
    assert bench_inside(command, *words).returncode in (0, 3)
    assert not plugin.with_suffix(".executed").exists()


# ---- nothing is written through a link -----------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path, "r", INFO)
    folder.append(parity_record())
    return folder


def start_worker(folder: RunFolder) -> None:
    command = WorkerCommand(["true"], {})
    limits = Limits(time_s=1, memory_bytes=1e9)
    asyncio.run(WorkerProcess.start(command, folder.path / "workers", "x", limits))


def hold_lock(folder: RunFolder) -> None:
    with folder.lock():
        pass


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("records.jsonl", lambda folder: folder.append(parity_record())),
        ("records.jsonl", lambda folder: folder.set_torn_line_aside()),
        ("records.torn", lambda folder: folder.set_torn_line_aside()),
        ("lock", hold_lock),
        ("workers", start_worker),
        ("report", lambda folder: report_command([str(folder.path)], ["csv"], [], None, Path())),
    ],
)
def test_file_of_a_run_that_is_a_link_is_refused_and_what_it_leads_to_is_left(
    name: str, write: Callable[[RunFolder], Any], folder: RunFolder, tmp_path: Path
) -> None:
    torn = folder.records_file.read_bytes() + b'{"torn'
    if "report" not in name:
        folder.records_file.write_bytes(torn)
    target = tmp_path / "target"
    if name in ("workers", "report"):
        target.mkdir()
    else:
        target.write_bytes(torn)
    path = folder.path / name
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    with pytest.raises(RecordsError, match=f"cannot write to .*/{name}: it is a symbolic link"):
        write(folder)
    assert path.is_symlink()
    assert list(target.iterdir()) == [] if target.is_dir() else target.read_bytes() == torn


def test_link_in_the_place_of_a_file_that_is_replaced_is_not_followed(
    folder: RunFolder, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    names = ("run.json", ".run.json.tmp", "records.jsonl.xz", "report/tables.md")
    (folder.path / "report").mkdir()
    info = folder.info()
    for name in names[:2] + names[3:]:
        (folder.path / name).unlink(missing_ok=True)
        (folder.path / name).symlink_to(target)
    folder.write_info(info)
    folder.pack()
    assert report_command([str(folder.path)], ["markdown"], [], None, Path()) == 0
    assert target.read_text() == "mine"
    assert not any((folder.path / name).is_symlink() for name in names)
    assert folder.info() == info


def test_full_disk_leaves_the_old_file_and_no_draft(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in folder.path.iterdir())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    info = folder.info()
    monkeypatch.setattr(os, "fsync", full)
    for write in (lambda: folder.write_info({}), folder.pack):
        with pytest.raises(RecordsError, match="No space left on device"):
            write()
    assert folder.info() == info and len(folder.records()) == 1
    assert sorted(path.name for path in folder.path.iterdir()) == before


# ---- only regular files are read -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.json", "records.jsonl", "records.jsonl.xz"])
def test_only_regular_files_are_read(name: str, folder: RunFolder) -> None:
    path = folder.path / name
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/null")
    with pytest.raises(RecordsError, match=f"cannot read .*/{name}: it is not a regular file"):
        folder.info() if name == "run.json" else folder.records()


def test_series_that_a_run_names_is_read_from_a_regular_file(tmp_path: Path) -> None:
    task = "forecasting:series=csv:data=/dev/null:column=y"
    done = bench_inside("--resume", run_naming(tmp_path, tasks=[task], backends=["numpy"]))
    assert done.returncode == 2
    assert "/dev/null is not a regular file" in done.stderr


def test_packed_file_that_unpacks_to_more_than_fits_is_refused(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.pack()
    assert len(folder.records()) == 1
    monkeypatch.setattr("bench.records.unpack.MOST_BYTES", 100)
    with pytest.raises(RecordsError, match="xz is damaged: it unpacks to more than"):
        folder.records()


def test_line_that_is_longer_than_fits_is_refused(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.records.lines.LONGEST_LINE", 100)
    with pytest.raises(RecordsError, match="jsonl, line 1 is damaged: it has"):
        folder.records()


# ---- odd folders beside a new run ----------------------------------------------------------------


def odd_folders(root: Path) -> None:
    """Folders beside a new run, of which no record can be used."""
    contents: dict[str, Any] = {
        "damaged": b"\xff\n",
        "torn": b'{"schema',
        "huge": {"hidden": 10**18, "batch": 10**18, "length": 10**18},
        "vast": {"hidden": 10**200},
        "negative": {"hidden": -5, "steps": -1},
        "texts": {"hidden": "x", "length": "y", "learning_rate": None},
        "no-task": {"task": "\x1b[2J"},
        "unknown": {"optimiser": 5, "cell": "x"},
    }
    for name, content in contents.items():
        (root / name).mkdir(parents=True)
        if isinstance(content, dict):
            case = {**changed_case(probe="speed", launch=0).flat(), "backend": "numpy", **content}
            content = example_record(case=case, wall_s=1e300).to_json().encode() + b"\n"
        (root / name / "records.jsonl").write_bytes(content)
    (root / "folder" / "records.jsonl").mkdir(parents=True)
    for name, target in (("device", "/dev/null"), ("loop", "records.jsonl")):
        (root / name).mkdir()
        (root / name / "records.jsonl").symlink_to(target)
    (root / "file").write_text("")


def test_odd_folders_and_records_do_not_block_a_new_run(tmp_path: Path) -> None:
    odd_folders(tmp_path)
    words = (*TINY, "--backends", "numpy", "--cells", "rnn", "--dry-run")
    done = bench_inside(*words, "--results-dir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "(0 cases estimated from earlier runs here" in done.stdout


# ---- identity and messages -----------------------------------------------------------------------


def test_run_is_called_by_the_name_of_its_folder_however_it_is_spelled(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path)
    for path in (".", "./", "../r", "workers/.."):
        assert RunFolder(Path(path)).id == "r"


def test_copied_run_is_resumed_with_timings_of_its_own(finished_run: Path, tmp_path: Path) -> None:
    copy_run(finished_run, tmp_path)
    os.rename(tmp_path / "r", tmp_path / "s")
    done = bench_inside("--resume", tmp_path / "s", "--seeds", "0,1")
    assert done.returncode == 0, done.stderr
    records = RunFolder(tmp_path / "s").records()
    assert [record.case["seed"] for record in records] == [0, 0, 0, 1, 1]
    assert {record.run for record in records} == {"s"}
    both = bench_inside("report", tmp_path / "s", finished_run / "r", "--output", tmp_path / "o")
    assert both.returncode == 0, both.stderr
    lines = (tmp_path / "o" / "learning.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["run", "r", "s"]


def test_message_does_not_steer_the_terminal(tmp_path: Path) -> None:
    done = bench_inside("report", tmp_path / "\x1b[2J\u202e")
    assert done.returncode == 2
    assert r"\x1b[2J\u202e" in done.stderr and "\x1b" not in done.stderr
