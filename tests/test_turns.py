"""Two workers take turns within a case: alternation, pauses, and what happens when one is lost."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import bench_for
from runners import OK_ANSWER, runner, unit

from bench.compare.launches import run_launches
from bench.plan.case import Case
from bench.probes.clock import BLOCKS
from bench.probes.control import control
from bench.probes.speed import speed
from bench.probes.turns import Turns
from bench.records.record import Record
from bench.run.runner import Runner
from bench.run.turns import alternate

TURNS = 3
WORKER = f"""
import json, os, sys, time
name, log, dies = sys.argv[1], open(sys.argv[2], "a"), sys.argv[3:] == ["dies"]
for line in iter(sys.stdin.readline, ""):
    case = json.loads(line)
    answer = {OK_ANSWER!r}
    if case["probe"] == "import":
        answer["metrics"] = {{"takes_turns": 1.0}} if name != "old" else {{}}
    elif case.get("in_turns"):
        for turn in range({TURNS}):
            print(name, "pauses", file=log, flush=True)
            print('"paused"', flush=True)
            sys.stdin.readline()
            print(name, turn, file=log, flush=True)
            if dies:
                sys.exit(3)
    else:
        print(name, "alone", file=log, flush=True)
    print(json.dumps(answer), flush=True)
"""


def speed_case() -> Case:
    case = bench_for(probe="speed").case
    return replace(case, launch=0)


def run_pair(root: Path, *sides: str) -> tuple[list[Record], list[str]]:
    """The records of both sides in their order, and what their workers did. A side is the name of
    its worker, and `dies` where it dies in its first turn."""
    log = root / "log"
    runners = []
    for number, words in enumerate(sides):
        program = [sys.executable, "-c", WORKER, *words.split()[:1], str(log), *words.split()[1:]]
        (root / str(number)).mkdir()
        side = runner(root / str(number), program)
        side.gate_failures[speed_case().model_key] = ""
        runners.append(side)
    work: list[tuple[Runner, object]] = [(side, unit(speed_case(), timed=True)) for side in runners]
    asyncio.run(run_launches(work, []))  # type: ignore[arg-type]
    records = [record for side in runners for record in side.folder.records()]
    return records, log.read_text().splitlines()


def test_sides_alternate_and_only_one_runs_at_a_time(tmp_path: Path) -> None:
    records, log = run_pair(tmp_path, "a", "b")
    assert [record.status for record in records] == ["ok", "ok"]
    expected = ["a pauses", "b pauses"]
    for turn in range(TURNS):
        for side in "ab":
            expected += [f"{side} {turn}"] + [f"{side} pauses"] * (turn < TURNS - 1)
    assert log == expected


def test_worker_that_dies_in_its_turn_costs_its_own_case_only(tmp_path: Path) -> None:
    records, log = run_pair(tmp_path, "a dies", "b")
    assert [record.status for record in records] == ["failed", "ok"]
    assert "worker died: exit code 3" in str(records[0].reason)
    assert log[-1] == f"b {TURNS - 1}"


def test_sides_follow_each_other_where_one_cannot_take_turns(tmp_path: Path) -> None:
    records, log = run_pair(tmp_path, "old", "b")
    assert [record.status for record in records] == ["ok", "ok"]
    assert log == ["old alone", "b alone"]


async def settled(process: psutil.Process) -> str:
    """The status of a process, once it is stopped or two seconds have passed."""
    for _ in range(200):
        if process.status() == psutil.STATUS_STOPPED:
            break
        await asyncio.sleep(0.01)
    return str(process.status())


def test_worker_is_stopped_until_its_first_case_and_between_its_turns(tmp_path: Path) -> None:
    side = runner(tmp_path, [sys.executable, "-c", WORKER, "a", str(tmp_path / "log")])
    side.gate_failures[speed_case().model_key] = ""

    async def states() -> list[str]:
        worker = await side.start_ready(unit(speed_case(), timed=True), [])
        assert worker is not None and worker.takes_turns
        process = psutil.Process(worker.pid)
        seen = [await settled(process)]
        answer = await worker.begin(speed_case())
        while answer is None:
            seen.append(await settled(process))
            answer = await worker.resume()
        assert answer["status"] == "ok"
        await worker.kill()
        return seen

    assert asyncio.run(states()) == [psutil.STATUS_STOPPED] * (1 + TURNS)


def test_alternation_goes_on_with_those_that_have_not_ended() -> None:
    log: list[str] = []

    async def steps(name: str, count: int) -> AsyncGenerator[None, None]:
        for _ in range(count):
            log.append(name)
            yield

    asyncio.run(alternate([steps("a", 1), steps("b", 3)]))
    assert log == ["a", "b", "b", "b"]


@pytest.mark.parametrize("probe", ["speed", "control"])
def test_probe_passes_its_turn_on_before_every_block(probe: str) -> None:
    passed: list[int] = []
    turns = Turns(lambda: passed.append(1))
    if probe == "control":
        outcome, phase = control(turns), "control"
    else:
        outcome, phase = speed(replace(bench_for(probe="speed"), turns=turns)), "forward"
    size = outcome.metrics[f"{phase}_block"]
    assert size and len(outcome.samples[phase]) % size == 0
    blocks = len(outcome.samples[phase]) // int(size)
    assert len(passed) == blocks * len(outcome.samples)
    assert probe == "control" or blocks == BLOCKS
