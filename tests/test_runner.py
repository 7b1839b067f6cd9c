"""The runner writes valid records, keeps the parity gate, and runs side by side what may be."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import bench_for
from runners import parity_case, runner
from running import MISBEHAVING, PLUGIN, bench_inside, keep_lines, records, tiny_run

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.run.answer import answer_without_numbers
from bench.run.runner import Runner


@pytest.mark.parametrize("metrics", [{"loss": "low"}, {"loss": [1]}, [1], None])
def test_answer_that_makes_no_valid_record_is_recorded_as_failed(
    metrics: Any, tmp_path: Path
) -> None:
    run = runner(tmp_path, [])
    run.write(0, parity_case(), {**answer_without_numbers("ok", ""), "metrics": metrics})
    (record,) = run.folder.records()
    assert (record.status, record.metrics) == ("failed", {})
    assert record.reason
    assert record.reason.startswith("no valid result: ")


def test_random_bytes_after_the_last_line_never_cost_a_record(tmp_path: Path) -> None:
    run = runner(tmp_path, [])
    run.write(0, parity_case(), answer_without_numbers("failed", "why"))
    rng = random.Random(0)
    for size in (1, 10, 1000):
        with run.folder.records_file.open("ab") as out:
            out.write(rng.randbytes(size).replace(b"\n", b""))
        assert run.folder.set_torn_line_aside()
        assert len(run.folder.records()) == 1


@dataclass
class ObservedRunner(Runner):
    """Starts no worker; notes which units run at the same time."""

    running: list[Unit] = field(default_factory=list)
    together: set[frozenset[str]] = field(default_factory=set)

    async def run_unit(self, unit: Unit, *_: Any, **__: Any) -> None:
        self.running.append(unit)
        for _turn in range(10):
            await asyncio.sleep(0)
            self.together.add(frozenset(map(self.name, self.running)))
        self.running.remove(unit)

    @staticmethod
    def name(unit: Unit) -> str:
        return f"{unit.backend} {' '.join(case.probe for case in unit.cases)}"


def test_units_run_side_by_side_unless_one_waits_for_the_proof_of_its_models(
    tmp_path: Path,
) -> None:
    parity, learning = (bench_for(probe=probe).case for probe in ("parity", "learning"))
    other_model = bench_for(probe="learning", hidden=5).case

    def together(*units: tuple[str, tuple[Case, ...]], jobs: int = 2) -> set[frozenset[str]]:
        """The names of units that ran at the same time."""
        plain = runner(tmp_path / str(uuid4()), [])
        run = ObservedRunner(plain.folder, plain.command, plain.limits, plain.progress, {})
        planned = [Unit(backend, "cpu", 1, False, cases) for backend, cases in units]
        asyncio.run(run.run_all(planned, jobs, [0, 1]))
        return {names for names in run.together if len(names) > 1}

    proof = ("a", (parity,))
    assert together(proof, ("a", (learning,))) == set()
    assert together(proof, ("b", (learning,))) == {frozenset(("a parity", "b learning"))}
    assert together(proof, ("b", (learning,)), jobs=1) == set()
    assert together(proof, ("a", (other_model,))) == {frozenset(("a parity", "a learning"))}
    proves_itself = ("a", (parity, learning))
    assert together(proof, proves_itself) == {frozenset(("a parity", "a parity learning"))}
    three = together(proof, ("a", (learning,)), ("a", (other_model, other_model)))
    assert frozenset(("a parity", "a learning learning")) in three
    assert not any({"a parity", "a learning"} <= names for names in three)


# ---- the parity gate and skipped cases -----------------------------------------------------


def test_model_that_fails_the_gate_is_skipped_and_never_timed(tmp_path: Path) -> None:
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
    keep_lines(tmp_path, 1)
    resumed = bench_inside("--resume", "r", *PLUGIN, "--results-dir", tmp_path)
    assert resumed.returncode == 1
    assert [r["status"] for r in records(tmp_path)] == ["failed", *["skipped"] * 4]


def test_model_that_a_backend_does_not_express_is_skipped_with_its_reason(tmp_path: Path) -> None:
    rnn_only = {"MISBEHAVE_CELLS": "rnn"}
    words = ("--cells", "rnn,lstm", "--probes", "learning")
    done = tiny_run(tmp_path, *PLUGIN, *words, environment=rnn_only)
    skipped = [r for r in records(tmp_path) if r["case"]["cell"] == "lstm"]
    assert {r["reason"] for r in skipped} == {f"{MISBEHAVING}: no lstm: not written (ours)"}
    assert {r["status"] for r in skipped} == {"skipped"}
    assert done.returncode == 0


def test_run_in_which_everything_is_skipped_has_exit_code_3(tmp_path: Path) -> None:
    rnn_only = {"MISBEHAVE_CELLS": "rnn"}
    words = ("--cells", "lstm", "--probes", "learning")
    assert tiny_run(tmp_path, *PLUGIN, *words, environment=rnn_only).returncode == 3
    done = bench_inside("report", "r", "--format", "csv", "--results-dir", tmp_path)
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("named", "switch", "expected"),
    [
        ("tests/plugins/falling_back.py", "UNUSED", "fused"),
        ("torch-compile", "TORCH_COMPILE_DISABLE", "inductor"),
        ("jax", "JAX_DISABLE_JIT", "xla"),
    ],
)
def test_fallback_to_a_slow_path_is_flagged_in_the_run_and_in_the_tables(
    named: str, switch: str, expected: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The framework's own switch disables its compiler; the results stay right."""
    if named == "jax" and not request.config.getoption("--thorough"):
        pytest.skip("a minute for JAX without its compiler; run it with --thorough")
    words = ("--backends", named, "--cells", "rnn", "--probes", "parity", "speed")
    done = tiny_run(tmp_path, *words, environment={switch: "1", "COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fell back" in " ".join(done.stdout.split())
    assert bench_inside("report", tmp_path / "r").returncode == 0
    tables = (tmp_path / "r" / "report" / "tables.md").read_text()
    assert f"python-loop, not {expected}" in tables
    rows = [line for line in tables.splitlines() if line.startswith("| rnn")]
    assert len(rows) == 5, "parity, three phases, and what else was measured"
    assert all("f" in row.split("|")[-2] for row in rows)
