"""Timed workers import side by side before any of them is timed, and wait stopped until then."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import bench_for
from runners import OK_ANSWER, runner

from bench.plan.units import Unit
from bench.run.ready_workers import MOST_READY, ready_together
from bench.run.runner import Runner
from bench.run.worker_command import WorkerCommand

CASE = replace(bench_for(probe="speed").case, launch=0)
WORKER = (
    f"OK_ANSWER = {OK_ANSWER!r}"
    + """
import json, os, sys, time
from pathlib import Path

def write(line):
    with log.open("a") as out:
        print(line, file=out)

name, log, together = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
for line in iter(sys.stdin.readline, ""):
    if json.loads(line)["probe"] == "import":
        write(f"{name} imports")
        end = time.monotonic() + 20
        while log.read_text().count("imports") < together and time.monotonic() < end:
            time.sleep(0.01)
        write(f"{name} is ready")
    else:
        write(f"{name} is timed")
    print(json.dumps(OK_ANSWER), flush=True)
"""
)
"""A stand-in for a worker. Its import returns when as many workers as it was told import."""


def timed(backend: str, device: str = "cpu", threads: int = 1) -> Unit:
    return Unit(backend, device, threads, timed=True, cases=(replace(CASE, backend=backend),))


def proven_runner(root: Path, names: Sequence[str], together: int) -> Runner:
    """A runner of one worker for each backend of these names, whose models are proven equal."""

    def command(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        words = [unit.backend, str(root / "log"), str(together)]
        program = [sys.executable, "-c", WORKER, *words]
        return WorkerCommand(program, dict(os.environ), None, repeats_request=False)

    run = replace(runner(root, []), command=command)
    for name in names:
        run.gate_failures[replace(CASE, backend=name).model_key] = ""
    return run


def run_timed(root: Path, names: str, jobs: int, together: int) -> list[str]:
    """What the workers of these backends did, in its order."""
    run = proven_runner(root, names.split(), together)
    asyncio.run(run.run_all([timed(name) for name in names.split()], jobs, [0]))
    assert {record.status for record in run.folder.records()} == {"ok"}
    return (root / "log").read_text().splitlines()


def test_workers_of_a_launch_import_together_and_are_timed_one_after_the_other(
    tmp_path: Path,
) -> None:
    log = run_timed(tmp_path, "a b c", jobs=2, together=3)
    assert {line.split()[1] for line in log[:3]} == {"imports"}
    assert sorted(log[3:6]) == ["a is ready", "b is ready", "c is ready"]
    assert log[6:] == ["a is timed", "b is timed", "c is timed"]


def test_one_job_has_one_worker_at_a_time(tmp_path: Path) -> None:
    steps = ("imports", "is ready", "is timed")
    log = run_timed(tmp_path, "a b", jobs=1, together=1)
    assert log == [f"{name} {step}" for name in "ab" for step in steps]


def test_unit_that_the_gate_rejects_starts_no_worker(tmp_path: Path) -> None:
    run = proven_runner(tmp_path, ["a"], together=1)
    run.gate_failures[replace(CASE, backend="b").model_key] = "not proven equal: wrong"
    asyncio.run(run.run_all([timed("b"), timed("a")], 2, [0]))
    assert [record.status for record in run.folder.records()] == ["skipped", "ok"]
    assert len(list((run.folder.path / "workers").iterdir())) == 1


@pytest.mark.parametrize(
    ("units", "jobs", "sizes"),
    [
        ([timed("a"), timed("b"), timed("c")], 2, [3]),
        ([timed("a"), timed("b"), timed("c")], 1, [1, 1, 1]),
        ([timed("a")] * (MOST_READY + 1), 2, [MOST_READY, 1]),
        ([timed("a", "cuda"), timed("b", "cuda")], 2, [1, 1]),
        ([timed("a"), timed("a", "cuda"), timed("b")], 2, [1, 1, 1]),
        ([timed("a"), timed("b", threads=2), timed("c", threads=2)], 2, [1, 2]),
        ([], 2, []),
    ],
)
def test_only_as_many_workers_are_ready_as_may_be(
    units: list[Unit], jobs: int, sizes: list[int]
) -> None:
    groups = ready_together(units, jobs)
    assert [unit for group in groups for unit in group] == units
    assert [len(group) for group in groups] == sizes


def test_worker_that_does_not_start_fails_its_case_alone(tmp_path: Path) -> None:
    run = proven_runner(tmp_path, ["a", "b"], together=1)
    start = run.command

    def command(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        found = start(unit, processors)
        return replace(found, program=["/no/such/python"]) if unit.backend == "a" else found

    run.command = command
    asyncio.run(run.run_all([timed("a"), timed("b")], 2, [0]))
    failed, ok = run.folder.records()
    assert (failed.status, ok.status) == ("failed", "ok")
    assert str(failed.reason).startswith("no worker could be started: ")
