"""A run that is killed or interrupted loses at most its current case, and continues later."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from running import (
    PLUGIN,
    TINY,
    bench_inside,
    case_keys,
    inheriting,
    records,
    start,
    wait_until,
)


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """A variable that all processes of a test inherit, so that none of them is overlooked."""
    variables = {"BENCH_TEST": uuid4().hex}
    yield variables
    for process in inheriting(variables):
        process.kill()


@pytest.mark.thorough
def test_run_that_is_killed_again_and_again_is_complete_in_the_end(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    """It is killed after ever more seconds (a number), or after its next record (None)."""
    file, slow = tmp_path / "r" / "records.jsonl", {"MISBEHAVE": "wait * * *", **mark}
    cells, probes = ("rnn", "lstm", "gru"), ("learning", "gradients", "memory")
    new = (*TINY, *PLUGIN, "--cells", *cells, "--probes", *probes, "--run-id", "r")

    def size() -> int:
        return file.stat().st_size if file.exists() else 0

    def command() -> tuple[str, ...]:
        return (
            *(("--resume", "r", *PLUGIN) if file.exists() else new),
            "--results-dir",
            str(tmp_path),
        )

    for seconds in (0.0, 0.2, 0.25, 0.3, None, 0.35, None, None):
        before = size()
        with start(*command(), environment={"MISBEHAVE_SECONDS": "0.03", **slow}) as process:
            if seconds is None:
                wait_until(lambda: process.poll() is not None or size() > before)  # noqa: B023
            else:
                time.sleep(seconds)
            process.kill()
        wait_until(lambda: not inheriting(mark))
    assert bench_inside(*command()).returncode == 0
    recorded = [(r["case"]["cell"], r["probe"]) for r in records(tmp_path)]
    assert sorted(recorded) == sorted((cell, p) for cell in cells for p in ("parity", *probes))
    assert {r["status"] for r in records(tmp_path)} == {"ok"}


def test_worker_and_its_child_do_not_outlive_a_killed_run(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    hanging = {"MISBEHAVE": "hang * learning *", **mark}
    new = (*TINY, *PLUGIN, "--cells", "rnn", "--run-id", "r", "--results-dir", tmp_path)
    with start(*new, environment=hanging) as process:
        file = tmp_path / "r" / "records.jsonl"
        wait_until(lambda: file.exists() and file.read_bytes().endswith(b"\n"))
        # The run, and the worker with its supervisor and its child.
        wait_until(lambda: len(inheriting(mark)) == 4)
        process.kill()
    wait_until(lambda: not inheriting(mark), 10)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_has_one_writer_and_a_signal_says_how_to_continue(
    number: signal.Signals, code: int, tmp_path: Path, mark: dict[str, str]
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
    resume = ("--resume", "r", *PLUGIN, "--results-dir", tmp_path)
    second = bench_inside(*resume)
    assert second.returncode == 2
    assert "run r is being written by another process" in second.stderr
    wait_until(lambda: len(inheriting(mark)) == 4)
    process.send_signal(number)
    process.send_signal(number)  # which changes nothing
    _, printed = process.communicate(timeout=20)
    assert process.returncode == code
    assert printed.splitlines()[-1] == "stopped; continue with --resume r"
    assert not inheriting(mark)
    assert file.read_bytes() == before
    assert bench_inside(*resume).returncode == 0
    assert len(set(case_keys(records(tmp_path)))) == len(records(tmp_path)) == 4
