"""Whatever happens to a process, it costs one case at most, and the run goes on from there."""

import asyncio
import json
import os
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import bench_for
from running import (
    MISBEHAVING,
    bench,
    inheriting,
    keep_lines,
    records,
    tiny_run,
)

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.records import machine
from bench.records.folder import RunFolder
from bench.run.process import Limits, WorkerCommand, answer_without_numbers
from bench.run.runner import Runner

PLUGIN = ("--backends", MISBEHAVING)
DEATHS = {
    "fail": "RuntimeError: something is broken",
    "segfault": "worker died: SIGSEGV",
    "be_killed": "worker died: SIGKILL",
    "hang": "time-out: not done after 15 s",
    "grow": "out of memory: 0.",
    "leave": "worker died: exit code 0",
    "vanish": "worker died: exit code 7",
    "answer_nonsense": "the worker sent no result, but b'nonsense",
    "run_out": "out of memory: RuntimeError: CUDA out of memory",
}


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[Any, Any]]:
    """A run in which the learning case of each seed comes to another end, and its records by
    probe and seed."""
    root, mark = tmp_path_factory.mktemp("runs"), {"BENCH_TEST": uuid4().hex}
    rules = "; ".join(f"{what} rnn learning {seed}" for seed, what in enumerate(DEATHS))
    done = tiny_run(
        root,
        *(*PLUGIN, "--cells", "rnn", "--probes", "learning,gradients"),
        *("--seeds", *map(str, range(len(DEATHS))), "--time-limit", "15", "--memory-limit", "0.2"),
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


@pytest.mark.parametrize(
    ("named", "variable", "meant"),
    [("torch-compile", "TORCH_COMPILE_DISABLE", "inductor"), ("jax", "JAX_DISABLE_JIT", "xla")],
)
def test_a_slow_path_is_flagged_and_named_from_the_command_to_the_tables(
    named: str, variable: str, meant: str, tmp_path: Path
) -> None:
    """The framework's own switch puts its compiler out of use; results stay right."""
    wanted = ("--backends", named, "--cells", "rnn", "--probes", "parity", "speed")
    done = tiny_run(tmp_path, *wanted, environment={variable: "1", "COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fell back" in " ".join(done.stdout.split())
    written = bench("report", tmp_path / "r")
    assert written.returncode == 0
    tables = (tmp_path / "r" / "report" / "tables.md").read_text()
    assert f"python-loop, not {meant}" in tables
    learned, timed = (line for line in tables.splitlines() if line.startswith("| rnn"))
    assert "f" in learned.split("|")[-2]
    assert "f" in timed.split("|")[-2]


def test_what_a_backend_does_not_offer_is_skipped_for_its_own_reason(tmp_path: Path) -> None:
    rnn_only = {"MISBEHAVE_CELLS": "rnn"}
    some = ("--cells", "rnn,lstm", "--probes", "learning")
    done = tiny_run(tmp_path, *PLUGIN, *some, environment=rnn_only)
    skipped = [r for r in records(tmp_path) if r["case"]["cell"] == "lstm"]
    assert {r["reason"] for r in skipped} == {f"{MISBEHAVING}: no lstm: not written (ours)"}
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


# ---- the parent's own side ------------------------------------------------------------------


class Silent:
    """A display that shows nothing."""

    def began(self, *_: object) -> None: ...
    def ended(self, *_: object) -> None: ...


def run_in(tmp_path: Path, command: list[str]) -> tuple[Runner, Case]:
    folder = RunFolder.create(tmp_path, "r", {})
    limits = Limits(time_s=5, memory_bytes=2**40)
    run = Runner(
        folder, lambda unit, processors: WorkerCommand(command, os.environ), limits, Silent(), {}
    )
    return run, bench_for(probe="parity").case


def test_a_worker_that_does_not_start_costs_its_case(tmp_path: Path) -> None:
    run, case = run_in(tmp_path, [str(tmp_path / "no-such-python")])
    asyncio.run(run.run_all([Unit("numpy", "cpu", 1, False, (case, case))], 1))
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
    asyncio.run(run.run_all([Unit("numpy", "cpu", 1, False, (case,))], 1))
    found = run.folder.records()[0].reason
    assert found
    assert found.startswith(reason)


def answers(*, imports: bool) -> str:
    """A stand-in for a worker that answers with its process and the probe; told to import, it
    dies the first time unless it `imports`."""
    known = json.dumps({**answer_without_numbers("ok", ""), "reason": None})
    return f"""
import json, os, sys
for line in sys.stdin:
    probe = json.loads(line)["probe"]
    if probe == "import" and not {imports}:
        sys.exit(3)
    answer = {{**json.loads({known!r}), "metrics": {{"process": os.getpid()}}}}
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("imports", [True, False])
def test_a_worker_that_is_ready_takes_the_cases_and_one_that_died_is_replaced(
    imports: bool, tmp_path: Path
) -> None:
    run, case = run_in(tmp_path, [sys.executable, "-c", answers(imports=imports)])
    unit = Unit("numpy", "cpu", 1, True, (case, case))

    async def work() -> bool:
        worker = await run.start_ready(unit, machine.cpus()[:1])
        assert worker is not None and worker.alive == imports
        worker.move(machine.cpus()[:1])
        await run.run_unit(unit, 0, machine.cpus()[:1], worker)
        found = [record.metrics["process"] for record in run.folder.records()]
        assert found[0] == found[1] and not worker.alive
        return found[0] == worker.process.pid

    assert asyncio.run(work()) == imports
    assert [record.status for record in run.folder.records()] == ["ok", "ok"]


def test_a_worker_that_cannot_be_started_is_not_ready(tmp_path: Path) -> None:
    run, case = run_in(tmp_path, [str(tmp_path / "no-such-python")])
    assert asyncio.run(run.start_ready(Unit("numpy", "cpu", 1, True, (case,)), [0])) is None


@pytest.mark.parametrize("metrics", [{"loss": "low"}, {"loss": [1]}, [1], None])
def test_a_result_that_could_not_be_read_back_is_recorded_as_failed(
    metrics: Any, tmp_path: Path
) -> None:
    run, case = run_in(tmp_path, [])
    run.write(0, case, {**answer_without_numbers("ok", ""), "metrics": metrics})
    (record,) = run.folder.records()
    assert (record.status, record.metrics) == ("failed", {})
    assert record.reason
    assert record.reason.startswith("no valid result: ")


@dataclass
class Watched(Runner):
    """Runs no worker; knows which units were under way together."""

    under_way: list[Unit] = field(default_factory=list)
    together: set[frozenset[str]] = field(default_factory=set)

    async def run_unit(self, unit: Unit, *_: Any, **__: Any) -> None:
        self.under_way.append(unit)
        for _turn in range(10):
            await asyncio.sleep(0)
            self.together.add(frozenset(map(self.name, self.under_way)))
        self.under_way.remove(unit)

    @staticmethod
    def name(unit: Unit) -> str:
        return f"{unit.backend} {' '.join(case.probe for case in unit.cases)}"


def test_units_run_side_by_side_but_for_what_waits_for_its_models_to_be_proven(
    tmp_path: Path,
) -> None:
    gate, learning = (bench_for(probe=probe).case for probe in ("parity", "learning"))
    other = bench_for(probe="learning", hidden=5).case

    def together(*units: tuple[str, tuple[Case, ...]], jobs: int = 2) -> set[frozenset[str]]:
        kept = run_in(tmp_path / str(uuid4()), [])[0]
        run = Watched(kept.folder, kept.command, kept.limits, kept.progress, {})
        todo = [Unit(backend, "cpu", 1, False, cases) for backend, cases in units]
        asyncio.run(run.run_all(todo, jobs, [0, 1]))
        return {names for names in run.together if len(names) > 1}

    proof = ("a", (gate,))
    assert together(proof, ("a", (learning,))) == set()
    assert together(proof, ("b", (learning,))) == {frozenset(("a parity", "b learning"))}
    assert together(proof, ("b", (learning,)), jobs=1) == set()
    assert together(proof, ("a", (other,))) == {frozenset(("a parity", "a learning"))}
    own = ("a", (gate, learning))
    assert together(proof, own) == {frozenset(("a parity", "a parity learning"))}
    ahead = together(proof, ("a", (learning,)), ("a", (other, other)))
    assert frozenset(("a parity", "a learning learning")) in ahead
    assert not any({"a parity", "a learning"} <= names for names in ahead)


def test_random_garbage_behind_the_last_line_never_costs_a_record(tmp_path: Path) -> None:
    run, case = run_in(tmp_path, [])
    run.write(0, case, answer_without_numbers("failed", "why"))
    rng = random.Random(0)
    for size in (1, 10, 1000):
        with run.folder.records_file.open("ab") as out:
            out.write(rng.randbytes(size).replace(b"\n", b""))
        assert run.folder.set_torn_line_aside()
        assert len(run.folder.records()) == 1
