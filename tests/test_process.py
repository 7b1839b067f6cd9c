"""A worker that dies, hangs or answers nonsense fails its case with the reason."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import ROOT
from runners import OK_ANSWER, parity_case, runner, unit
from running import ENTRY, MISBEHAVING, PLUGIN, inheriting, records, tiny_run

from bench.records import machine
from bench.run import process
from bench.run.answer import parse_answer
from bench.run.worker_command import worker_arguments

DEATHS = {
    "fail": "RuntimeError: something is broken",
    "segfault": "worker died: SIGSEGV",
    "be_killed": "worker died: SIGKILL",
    "grow": "out of memory: 0.",
    "leave": "SystemExit: 0 (plugins/misbehaving.py:",
    "vanish": "worker died: exit code 7",
    "answer_nonsense": "the worker sent no answer to this case, but b'nonsense",
    "run_out": "out of memory: RuntimeError: CUDA out of memory",
    "fail_in_bytes": "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/caf\\u",
}
"""The reason of the failed record, by misdeed."""


@pytest.fixture(scope="module")
def misbehaved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[Any, Any]]:
    """A run with another misdeed in the learning case of each seed; its records by probe and
    seed."""
    root, mark = tmp_path_factory.mktemp("runs"), {"BENCH_TEST": uuid4().hex}
    rules = "; ".join(f"{misdeed} rnn learning {seed}" for seed, misdeed in enumerate(DEATHS))
    rules += "; fork rnn parity 0"
    done = tiny_run(
        root,
        *(*PLUGIN, "--cells", "rnn", "--probes", "learning,gradients"),
        *("--seeds", *map(str, range(len(DEATHS))), "--memory-limit", "0.2"),
        environment={"MISBEHAVE": rules, **mark},
    )
    assert not inheriting(mark)
    return done, {(r["probe"], r["case"]["seed"]): r for r in records(root)}


@pytest.mark.parametrize("misdeed", DEATHS)
def test_death_or_error_of_a_worker_fails_its_case_with_the_reason(
    misdeed: str, misbehaved: tuple[Any, dict[Any, Any]]
) -> None:
    done, by_probe_and_seed = misbehaved
    seed = list(DEATHS).index(misdeed)
    record = by_probe_and_seed["learning", seed]
    assert record["status"] == "failed"
    assert record["reason"].startswith(DEATHS[misdeed])
    assert f"learning seed {seed}: {record['reason']}\n" in done.stderr
    worker_survived = misdeed in ("fail", "leave", "run_out", "fail_in_bytes")
    assert (record["environment"] is not None) == worker_survived


def test_failure_of_a_worker_costs_no_other_case(misbehaved: tuple[Any, dict[Any, Any]]) -> None:
    done, by_probe_and_seed = misbehaved
    assert len(by_probe_and_seed) == 1 + 2 * len(DEATHS)
    others = [r for (probe, _), r in by_probe_and_seed.items() if probe != "learning"]
    assert {record["status"] for record in others} == {"ok"}
    assert done.returncode == 1
    failures = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failures) == len(DEATHS)


def test_hanging_worker_is_killed_with_its_children_at_the_time_limit(tmp_path: Path) -> None:
    mark = {"BENCH_TEST": uuid4().hex}
    run = runner(
        tmp_path,
        [*ENTRY, *worker_arguments(str(ROOT / MISBEHAVING), [])],
        {"MISBEHAVE": "hang * * *", **mark},
        time_s=4,
    )
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert (record.status, record.reason) == ("failed", "time-out: not done after 4 s")
    assert record.wall_s >= 4
    assert not inheriting(mark)


def test_worker_that_does_not_start_fails_its_cases(tmp_path: Path) -> None:
    run, case = runner(tmp_path, [str(tmp_path / "no-such-python")]), parity_case()
    asyncio.run(run.run_all([unit(case, replace(case, seed=1))], 1))
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
def test_wrong_answer_and_death_have_different_reasons(
    code: str, reason: str, tmp_path: Path
) -> None:
    run = runner(tmp_path, [sys.executable, "-c", code])
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert record.reason
    assert record.reason.startswith(reason)


INVALID = {
    "started": ("yesterday", "the worker sent no valid result: started is 'yesterday'"),
    "wall_s": (-1, "the worker sent no valid result: wall_s is -1"),
    "status": (["ok"], "the worker sent no valid result: status is ['ok']"),
    "metrics": ({"score": 10**400}, "the worker sent no valid result: metrics.score is a whole"),
    "samples": (None, "the worker sent no valid result: samples is None"),
    "environment": ({"machine": [1]}, "the worker sent no valid result: environment.machine is"),
    "reason": ("\ud800", "the worker sent no valid result: reason is '\\\\ud800'"),
}
"""A wrong value of each field of an answer, and the reason of the failed record."""


@pytest.mark.parametrize("field", INVALID)
def test_invalid_answer_costs_its_case_alone(field: str, tmp_path: Path) -> None:
    value, reason = INVALID[field]
    valid = OK_ANSWER
    lines = [json.dumps({**valid, field: value}), json.dumps(valid)]
    code = f"""
import json, sys, time
for line in sys.stdin:
    print({lines!r}[json.loads(line)["seed"]], flush=True)
    time.sleep(0 if json.loads(line)["seed"] else 60)
"""
    run, first = runner(tmp_path, [sys.executable, "-c", code]), parity_case()
    asyncio.run(run.run_all([unit(first, replace(first, seed=1))], 1))
    failed, ok = run.folder.records()
    assert failed.reason and failed.reason.startswith(reason.replace("\\\\", "\\"))
    assert (failed.status, ok.status) == ("failed", "ok")
    assert run.folder.info() is not None


def test_environment_of_many_levels_is_refused() -> None:
    environment: dict[str, Any] = {}
    for _ in range(300):
        environment = {"a": environment}
    answer = {**OK_ANSWER, "environment": environment}
    with pytest.raises(ValueError, match="more levels of objects; accepted: 20"):
        parse_answer(json.dumps(answer).encode())
    with pytest.raises(ValueError, match=r"no result, but b'\[\[\["):
        parse_answer(b"[" * 200_000)


def test_line_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LINE_LIMIT", 1 << 20)
    code = "input(); print('g' * (3 << 20)); input()"
    run = runner(tmp_path, [sys.executable, "-c", code])
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert record.reason == "the worker sent a line of more than 1 MiB"


ANSWERS_TWICE = """
import json, os, sys
for line in sys.stdin:
    case = json.loads(line)
    answer = case["request"] + " " + json.dumps({answer!r})
    print(answer, flush=True)
    if case["seed"] == 0:
        print(answer, flush=True)
"""


def test_answer_to_an_earlier_case_costs_its_case_and_ends_the_worker(tmp_path: Path) -> None:
    """A worker that forks may answer twice: all later answers would be those of other cases."""
    code = ANSWERS_TWICE.replace("{answer!r}", repr(OK_ANSWER))
    run = runner(tmp_path, [sys.executable, "-c", code], repeats_request=True)
    case = parity_case()
    asyncio.run(run.run_all([unit(*(replace(case, seed=seed) for seed in range(4)))], 1))
    records = run.folder.records()
    assert [record.status for record in records] == ["ok", "failed", "ok", "ok"]
    assert str(records[1].reason).startswith("the worker sent no answer to this case, but b'1-")


GROWING_CHILD = """
import subprocess, sys, time
input()
child = "held = bytearray(b'x' * (200 << 20)); import time; time.sleep(60)"
subprocess.run([sys.executable, "-S", "-c", child])
"""


def test_memory_of_a_child_counts(tmp_path: Path) -> None:
    run = runner(tmp_path, [sys.executable, "-c", GROWING_CHILD], memory_bytes=100 << 20)
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert str(record.reason).startswith("out of memory: 0.")
    assert str(record.reason).endswith("over the limit of 0.10")


def test_log_of_a_worker_is_bounded_and_ends_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; print('y' * (4 << 20), file=sys.stderr); sys.exit('so it goes')"
    run = runner(tmp_path, [sys.executable, "-c", code])
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert str(record.reason).endswith("; last words: so it goes")
    (log,) = (run.folder.path / "workers").iterdir()
    assert 2 << 20 <= log.stat().st_size < 3 << 20


FORKED = """
import os, time
input()
if os.fork() == 0:
    os.setsid()
    time.sleep(120)
os._exit(7)
"""


def test_dead_worker_is_noticed_although_its_child_holds_the_pipe(tmp_path: Path) -> None:
    mark = {"BENCH_TEST": uuid4().hex}
    run = runner(tmp_path, [sys.executable, "-c", FORKED], mark)
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert record.reason == "worker died: exit code 7"
    assert not inheriting(mark), "the child has a session of its own, and is killed as well"


def test_text_that_could_change_the_terminal_is_escaped(tmp_path: Path) -> None:
    run = runner(tmp_path, [sys.executable, "-c", r"import sys; sys.exit('\x1b[2Jred\u202e')"])
    asyncio.run(run.run_all([unit(parity_case())], 1))
    (record,) = run.folder.records()
    assert record.reason == r"worker died: exit code 1; last words: \x1b[2Jred\u202e"


def answering(*, imports: bool) -> str:
    """A stand-in for a worker that answers with the id of its process.

    Unless it `imports`, it dies when it is asked to import its framework.
    """
    answer = json.dumps(OK_ANSWER)
    return f"""
import json, os, sys
for line in sys.stdin:
    probe = json.loads(line)["probe"]
    if probe == "import" and not {imports}:
        sys.exit(3)
    answer = json.loads({answer!r})
    answer["metrics"]["process"] = os.getpid()
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.parametrize("imports", [True, False])
def test_ready_worker_takes_the_cases_and_one_that_died_is_replaced(
    imports: bool, tmp_path: Path
) -> None:
    run, case = runner(tmp_path, [sys.executable, "-c", answering(imports=imports)]), parity_case()
    two_cases = unit(case, replace(case, seed=1), timed=True)
    processors = machine.cpus()[:1]

    async def ready_worker_answered() -> bool:
        worker = await run.start_ready(two_cases, processors)
        assert worker is not None and worker.alive == imports
        worker.move(processors)
        await run.run_unit(two_cases, 0, processors, worker)
        processes = [record.metrics["process"] for record in run.folder.records()]
        assert processes[0] == processes[1] and not worker.alive
        return processes[0] == worker.pid

    assert asyncio.run(ready_worker_answered()) == imports
    assert [record.status for record in run.folder.records()] == ["ok", "ok"]


def test_worker_that_cannot_be_started_is_not_ready(tmp_path: Path) -> None:
    run = runner(tmp_path, [str(tmp_path / "no-such-python")])
    assert asyncio.run(run.start_ready(unit(parity_case(), timed=True), [0])) is None
