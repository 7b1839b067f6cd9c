"""A run that was killed, interrupted, damaged or out of room goes on, or says why it cannot."""

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from running import (
    MISBEHAVING,
    TINY,
    bench,
    bench_inside,
    inheriting,
    keep_lines,
    keys,
    records,
    start,
    tiny_run,
    wait_until,
)

PLUGIN = ("--backends", MISBEHAVING)


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """A variable that all processes of a test inherit, so that none of them is overlooked."""
    found = {"BENCH_TEST": uuid4().hex}
    yield found
    for process in inheriting(found):
        process.kill()


# ---- the parent is killed -------------------------------------------------------------------


def test_a_run_that_is_killed_again_and_again_is_complete_in_the_end(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    """Killed after ever more seconds, and as soon as there is another record."""
    file, slow = tmp_path / "r" / "records.jsonl", {"MISBEHAVE": "wait * * *", **mark}
    cells, probes = ("rnn", "lstm", "gru"), ("learning", "gradients", "memory")
    new = (*TINY, *PLUGIN, "--cells", *cells, "--probes", *probes, "--run-id", "r")

    def size() -> int:
        return file.stat().st_size if file.exists() else 0

    def command() -> tuple[str, ...]:
        return (*(("--resume", "r") if file.exists() else new), "--results-dir", str(tmp_path))

    for seconds in (0.0, 0.2, 0.25, 0.3, None, 0.35, None, None):
        have = size()
        with start(*command(), environment={"MISBEHAVE_SECONDS": "0.03", **slow}) as process:
            if seconds is None:
                wait_until(lambda: process.poll() is not None or size() > have)  # noqa: B023
            else:
                time.sleep(seconds)
            process.kill()
        wait_until(lambda: not inheriting(mark))
    assert bench(*command()).returncode == 0
    found = [(r["case"]["cell"], r["probe"]) for r in records(tmp_path)]
    assert sorted(found) == sorted((cell, p) for cell in cells for p in ("parity", *probes))
    assert {r["status"] for r in records(tmp_path)} == {"ok"}


def test_a_worker_in_the_middle_of_a_case_does_not_outlive_its_parent(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    asleep = {"MISBEHAVE": "wait * learning *", "MISBEHAVE_SECONDS": "600", **mark}
    new = (*TINY, *PLUGIN, "--cells", "rnn", "--run-id", "r", "--results-dir", tmp_path)
    with start(*new, environment=asleep) as process:
        file = tmp_path / "r" / "records.jsonl"
        wait_until(lambda: file.exists() and file.read_bytes().endswith(b"\n"))
        assert len(inheriting(mark)) == 2
        process.kill()
    wait_until(lambda: not inheriting(mark), 10)


def test_a_half_written_line_is_reported_and_set_aside_on_resume(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "learning")
    file = tmp_path / "r" / "records.jsonl"
    whole, torn = keys(records(tmp_path)), file.read_bytes().splitlines()[1][:200]
    keep_lines(tmp_path, 1, torn)
    before = file.read_bytes()
    for command in (("report", "r"), ("--resume", "r", "--dry-run")):
        done = bench_inside(*command, "--results-dir", tmp_path)
        assert done.returncode == 2
        assert f"{file}, line 2 is half-written" in done.stderr
        assert file.read_bytes() == before
    done = bench("--resume", "r", "--results-dir", tmp_path)
    assert (done.returncode, "set aside" in done.stderr) == (0, True)
    assert keys(records(tmp_path)) == whole
    assert (tmp_path / "r" / "records.torn").read_bytes() == torn + b"\n"


def test_a_damaged_line_in_the_middle_stops_everything_and_is_left_alone(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "learning")
    file = tmp_path / "r" / "records.jsonl"
    last = file.read_bytes().splitlines(keepends=True)[1]
    for rest in (b"", b'{"schema": 1, "run'):
        keep_lines(tmp_path, 1, b'{"schema": 1\n' + last + rest)
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
        (None, "cannot be read"),
        (b"", "cannot be read"),
        (b'{"request": {"ce', "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "not a JSON object"),
        (b"{}", "lacks what the run was asked for"),
        (b'{"request": []}', "request is []"),
        (b'{"request": {"seeds": [1]}, "environments": 1}', "environments is 1"),
        (b'{"request": {"cells": "lstm"}}', "cells cannot be 'lstm'"),
        (b'{"request": {"seeds": ["1"]}}', "seeds cannot be ['1']"),
        (b'{"request": {"seeds": []}}', "seeds cannot be []"),
        (b'{"request": {"threads": "2"}}', "threads cannot be '2'"),
        (b'{"request": {"cell": ["lstm"]}}', "cell cannot be ['lstm']"),
    ],
)
def test_a_run_whose_description_is_damaged_is_not_resumed(
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


def test_one_process_at_a_time_writes_and_an_interrupt_says_how_to_go_on(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    new = (*TINY, *PLUGIN, "--cells", "rnn,lstm", "--probes", "learning", "--run-id", "r")
    process = start(
        *(*new, "--results-dir", tmp_path),
        environment={"MISBEHAVE": "hang lstm learning *", **mark},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    file = tmp_path / "r" / "records.jsonl"
    wait_until(lambda: file.exists() and file.read_bytes().count(b"\n") == 3)
    before = file.read_bytes()
    second = bench("--resume", "r", "--results-dir", tmp_path)
    assert second.returncode == 2
    assert "run r is being written by another process" in second.stderr
    wait_until(lambda: len(inheriting(mark)) == 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said == "stopped; go on by --resume r\n"
    assert not inheriting(mark)
    assert file.read_bytes() == before
    assert bench("--resume", "r", "--results-dir", tmp_path).returncode == 0
    assert len(set(keys(records(tmp_path)))) == len(records(tmp_path)) == 4


# ---- the disk is full, or not there ---------------------------------------------------------


def with_room_for(size: int) -> Any:
    """A limit on the size of files, as a full disk: writing beyond it is refused."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_keeps_what_was_recorded_and_the_run_goes_on_later(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn,lstm", "--probes", "learning")
    file, whole = tmp_path / "r" / "records.jsonl", keys(records(tmp_path))
    room = with_room_for(file.stat().st_size * 3 // 4)
    keep_lines(tmp_path, 1)
    again = ("--resume", "r", "--results-dir", tmp_path)
    done = bench(*again, preexec_fn=room)
    assert done.returncode == 2
    assert f"cannot write to {file}: File too large" in done.stderr
    assert "go on by --resume r" in done.stderr
    before = file.read_bytes()
    assert before.endswith(b"\n")
    assert 1 < len(records(tmp_path)) < 4
    assert bench(*again).returncode == 0
    assert file.read_bytes().startswith(before)
    assert keys(records(tmp_path)) == whole


def test_a_disk_too_full_for_a_new_run_is_left_without_a_trace(tmp_path: Path) -> None:
    done = tiny_run(tmp_path, preexec_fn=with_room_for(100))
    assert done.returncode == 2
    assert f"cannot write to {tmp_path}" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "target"), [("run.tmp", "/dev/full"), ("workers", "/dev/null"), ("lock", "/proc/x/y")]
)
def test_whatever_cannot_be_written_in_a_run_is_named(
    name: str, target: str, tmp_path: Path
) -> None:
    only = ("--cells", "rnn", "--probes", "parity")
    tiny_run(tmp_path, *only)
    for file in (*(tmp_path / "r" / "workers").iterdir(), tmp_path / "r" / "lock"):
        file.unlink()
    (tmp_path / "r" / "workers").rmdir()
    keep_lines(tmp_path, 0)
    (tmp_path / "r" / name).symlink_to(target)
    done = bench("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("run_bench.py: cannot ")
    assert str(tmp_path / "r") in done.stderr


@pytest.mark.parametrize("place", ["file/below", "/proc/nowhere", "x" * 300])
def test_a_results_folder_that_cannot_be_made_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = tiny_run(tmp_path / place)
    assert done.returncode == 2
    assert done.stderr.startswith("run_bench.py: cannot write to ")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_output_that_nobody_takes_ends_without_a_traceback() -> None:
    with open("/dev/full", "w") as full:
        done = bench("list", stdout=full)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = bench("list", stdout=pipe)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_run_goes_on_under_the_versions_that_it_was_begun_with_only(tmp_path: Path) -> None:
    tiny_run(tmp_path, "--cells", "rnn", "--probes", "parity")
    file = tmp_path / "r" / "run.json"
    info = json.loads(file.read_text())
    assert info["versions"]["numpy"] == np.__version__
    file.write_text(json.dumps({**info, "versions": {**info["versions"], "numpy": "1.0"}}))
    before = file.read_bytes()
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert f"numpy 1.0 is now {np.__version__}" in done.stderr
    assert file.read_bytes() == before


def test_a_run_on_a_file_that_has_changed_is_not_resumed(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("y\n" + "".join(f"{k * k % 7}\n" for k in range(60)))
    small = ("--backends", "numpy", "--cells", "rnn", "--probes", "learning", "--profile", "smoke")
    asked = ("--tasks", "forecasting:steps=1", "--data", file, "--column", "y", *small)
    new = ("--run-id", "r", "--results-dir", tmp_path)
    assert bench(*asked, *new).returncode == 0
    recorded = (tmp_path / "r" / "records.jsonl").read_text()
    file.write_text(file.read_text() + "3\n")
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2 and "mine.csv has changed since the run began" in done.stderr
    assert (tmp_path / "r" / "records.jsonl").read_text() == recorded


@pytest.mark.parametrize("task", ["forecasting:airline", "forecasting:series=laser"])
def test_a_file_and_a_series_are_not_asked_for_at_once(task: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("y\n" + "".join(f"{k * k % 7}\n" for k in range(60)))
    done = bench_inside("--tasks", task, "--data", file, "--column", "y")
    assert done.returncode == 2 and "names a series, and so does --data" in done.stderr
