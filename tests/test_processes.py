"""Whatever happens to a process, it costs one case at most, and the run goes on from there."""

import asyncio
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from conftest import bench_for
from running import (
    MISBEHAVING,
    TINY,
    bench,
    bench_inside,
    keep_lines,
    keys,
    records,
    start,
    tiny_run,
    wait_until,
)

from bench.plan import Case, Unit
from bench.process import Limits, unmeasured
from bench.records import RunFolder
from bench.runner import Run

PLUGIN = ("--backends", MISBEHAVING)
DEATHS = {
    "fail": "RuntimeError: something is broken",
    "segfault": "worker died: SIGSEGV",
    "be_killed": "worker died: SIGKILL",
    "hang": "time-out: not done after 3 s",
    "grow": "out of memory: 0.",
    "leave": "worker died: exit code 0",
    "vanish": "worker died: exit code 7",
    "answer_nonsense": "the worker sent no result, but b'nonsense",
    "run_out": "out of memory: RuntimeError: CUDA out of memory",
}


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """A variable that all processes of a test inherit, so that none of them is overlooked."""
    found = {"BENCH_TEST": uuid4().hex}
    yield found
    for process in inheriting(found):
        process.kill()


def inheriting(mark: dict[str, str]) -> list[psutil.Process]:
    """Every living process that has the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ()
            if mark.items() <= own.items() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[Any, Any]]:
    """A run in which the learning case of each seed comes to another end, and its records by
    probe and seed."""
    root, mark = tmp_path_factory.mktemp("runs"), {"BENCH_TEST": uuid4().hex}
    rules = "; ".join(f"{what} rnn learning {seed}" for seed, what in enumerate(DEATHS))
    done = tiny_run(
        root,
        *(*PLUGIN, "--cells", "rnn", "--probes", "learning,gradients"),
        *("--seeds", *map(str, range(len(DEATHS))), "--time-limit", "3", "--memory-limit", "0.2"),
        environment={"MISBEHAVE": rules, **mark},
    )
    assert not inheriting(mark)
    return done, {(r["probe"], r["case"]["seed"]): r for r in records(root)}


@pytest.mark.parametrize("what", DEATHS)
def test_what_befalls_a_worker_fails_its_case_with_the_reason(
    what: str, battered: tuple[Any, dict[Any, Any]]
) -> None:
    done, found = battered
    lost = found["learning", list(DEATHS).index(what)]
    assert lost["status"] == "failed"
    assert lost["reason"].startswith(DEATHS[what])
    assert f"learning seed {list(DEATHS).index(what)}: {lost['reason']}\n" in done.stderr
    survived = what in ("fail", "run_out")
    assert (lost["environment"] is not None) == survived


def test_what_befalls_a_worker_costs_its_own_case_only(
    battered: tuple[Any, dict[Any, Any]],
) -> None:
    done, found = battered
    assert len(found) == 1 + 2 * len(DEATHS)
    others = {place: record for place, record in found.items() if place[0] != "learning"}
    assert {record["status"] for record in others.values()} == {"ok"}
    assert done.returncode == 1
    assert done.stderr.count("\n") == len(DEATHS)


def test_what_a_framework_prints_and_its_own_kinds_do_no_harm_to_the_records(
    tmp_path: Path,
) -> None:
    chatter = {"MISBEHAVE": "chatter * * *"}
    done = tiny_run(tmp_path, *PLUGIN, "--cells", "rnn", "--probes", "memory", environment=chatter)
    assert done.returncode == 0
    assert {r["status"] for r in records(tmp_path)} == {"ok"}
    environments = RunFolder.existing(tmp_path, "r").info()["environments"]
    found = environments[records(tmp_path)[0]["environment"]]
    assert found["settings"] == {"precision": 0.5, "dtype": "float32"}
    assert "not JSON" not in done.stdout + done.stderr
    assert "not JSON" in "".join(
        f.read_text(errors="replace") for f in (tmp_path / "r" / "workers").iterdir()
    )


def test_what_is_not_proven_equal_is_skipped_and_never_timed(tmp_path: Path) -> None:
    wrong = {"MISBEHAVE": "wrong lstm parity *"}
    done = tiny_run(tmp_path, *PLUGIN, "--cells", "lstm", environment=wrong)
    parity, *others = records(tmp_path)
    assert (parity["status"], done.returncode) == ("failed", 1)
    assert parity["reason"].startswith("parity: output")
    assert [r["probe"] for r in others] == ["learning", "gradients", "memory", "speed"]
    for record in others:
        assert record["status"] == "skipped"
        assert record["reason"] == f"not proven equal: {parity['reason']}"
        assert record["samples"] == {}


def test_a_gate_once_shut_stays_shut_in_a_resumed_run(tmp_path: Path) -> None:
    wrong = {"MISBEHAVE": "wrong rnn parity *"}
    tiny_run(tmp_path, *PLUGIN, "--cells", "rnn", environment=wrong)
    keep_lines(tmp_path, 1)
    done = bench("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 1
    assert [r["status"] for r in records(tmp_path)] == ["failed", *["skipped"] * 4]


def test_what_a_backend_does_not_offer_is_skipped_for_its_own_reason(tmp_path: Path) -> None:
    rnn_only = {"MISBEHAVE_CELLS": "rnn"}
    some = ("--cells", "rnn,lstm", "--probes", "learning")
    done = tiny_run(tmp_path, *PLUGIN, *some, environment=rnn_only)
    skipped = [r for r in records(tmp_path) if r["case"]["cell"] == "lstm"]
    assert {r["reason"] for r in skipped} == {f"{MISBEHAVING} does not offer the cell lstm"}
    assert {r["status"] for r in skipped} == {"skipped"}
    assert done.returncode == 0


def test_where_all_is_skipped_nothing_was_measured(tmp_path: Path) -> None:
    rnn_only = {"MISBEHAVE_CELLS": "rnn"}
    some = ("--cells", "lstm", "--probes", "learning")
    assert tiny_run(tmp_path, *PLUGIN, *some, environment=rnn_only).returncode == 3
    assert bench("report", "r", "--format", "csv", "--results-dir", tmp_path).returncode == 3


def test_a_worker_whose_parent_is_gone_ends_at_once() -> None:
    worker = ("worker", "--backend", "numpy", "--parent")
    assert bench(*worker, "1", stdin=-3).returncode == 1
    assert bench(*worker, str(os.getpid()), stdin=-3).returncode == 0


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


# ---- the parent's own side ------------------------------------------------------------------


class Silent:
    """A display that shows nothing."""

    def began(self, *_: object) -> None: ...
    def ended(self, *_: object) -> None: ...


def run_in(tmp_path: Path, command: list[str]) -> tuple[Run, Case]:
    folder = RunFolder.create(tmp_path, "r", {})
    limits = Limits(time_s=5, memory_bytes=2**40)
    run = Run(folder, lambda unit, processors: command, limits, Silent(), {})
    return run, bench_for(probe="parity").case


def test_a_worker_that_does_not_start_costs_its_case(tmp_path: Path) -> None:
    run, case = run_in(tmp_path, [str(tmp_path / "no-such-python")])
    asyncio.run(run.all([Unit("numpy", "cpu", 1, False, (case, case))], 1))
    reasons = [record.reason for record in run.folder.records()]
    assert len(reasons) == 2
    assert all(r and r.startswith("no worker could be started: ") for r in reasons)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("input(); print('{}')", "the worker sent no result, but b'{}"),
        ("input(); print(end='{', flush=True)", "worker died: exit code 0"),
        ("import sys; sys.exit('so it goes')", "worker died: exit code 1; last words: so it goes"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)", "worker died: signal 35"),
    ],
)
def test_an_answer_that_is_none_is_told_from_a_death(
    code: str, reason: str, tmp_path: Path
) -> None:
    run, case = run_in(tmp_path, [sys.executable, "-c", code])
    asyncio.run(run.all([Unit("numpy", "cpu", 1, False, (case,))], 1))
    found = run.folder.records()[0].reason
    assert found
    assert found.startswith(reason)


@pytest.mark.parametrize("metrics", [{"loss": "low"}, {"loss": [1]}, [1], None])
def test_a_result_that_could_not_be_read_back_is_recorded_as_failed(
    metrics: Any, tmp_path: Path
) -> None:
    run, case = run_in(tmp_path, [])
    run.write(0, case, {**unmeasured("ok", ""), "metrics": metrics})
    (record,) = run.folder.records()
    assert (record.status, record.metrics) == ("failed", {})
    assert record.reason
    assert record.reason.startswith("no valid result: ")


def test_backends_run_side_by_side_and_each_ones_units_in_turn(tmp_path: Path) -> None:
    """Two stand-ins that take 0.4 s: as long as one after the other, or both at a time."""
    answer = json.dumps({**unmeasured("ok", ""), "reason": None})
    code = f"import time\nfor _ in iter(input, ''): time.sleep(0.4); print({answer!r}, flush=True)"
    run, case = run_in(tmp_path, [sys.executable, "-c", code])
    first, second = (Unit(name, "cpu", 1, False, (case,)) for name in ("a", "b"))
    began = time.monotonic()
    asyncio.run(run.all([first, first], 2))
    in_turn = time.monotonic() - began
    asyncio.run(run.all([first, second], 2))
    assert in_turn > 0.8
    if len(os.sched_getaffinity(0)) > 1:
        assert time.monotonic() - began - in_turn < in_turn


def test_random_garbage_behind_the_last_line_never_costs_a_record(tmp_path: Path) -> None:
    run, case = run_in(tmp_path, [])
    run.write(0, case, unmeasured("failed", "why"))
    rng = random.Random(0)
    for size in (1, 10, 1000):
        with run.folder.records_file.open("ab") as out:
            out.write(rng.randbytes(size).replace(b"\n", b""))
        assert run.folder.set_torn_line_aside()
        assert len(run.folder.records()) == 1
