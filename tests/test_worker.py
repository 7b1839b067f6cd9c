"""A worker gets its variables before it imports a framework, and its answers stay clean."""

import os
import resource
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import bench_for
from running import PLUGIN, bench, records, tiny_run
from test_selection import Registry

import backends
import tasks
from bench.probes import training
from bench.probes.training import train
from bench.records.folder import RunFolder
from bench.run.environment import worker_environment
from bench.run.worker import Worker, require_free_files
from bench.spec import Unsupported

THREAD_VARIABLES = [f"{name}_NUM_THREADS" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")]


def test_prints_of_a_framework_and_its_own_types_do_not_damage_the_records(tmp_path: Path) -> None:
    chatter = {"MISBEHAVE": "chatter * * *"}
    done = tiny_run(tmp_path, *PLUGIN, "--cells", "rnn", "--probes", "memory", environment=chatter)
    assert done.returncode == 0
    assert {r["status"] for r in records(tmp_path)} == {"ok"}
    environments = RunFolder.existing(tmp_path, "r").info()["environments"]
    settings = environments[records(tmp_path)[0]["environment"]]["settings"]
    assert (settings["precision"], settings["dtype"]) == (0.5, "float32")
    # The variables that the plug-in declares reach the worker, and replace those of the harness.
    assert (settings["MISBEHAVE_THREADS"], settings["NUMEXPR_NUM_THREADS"]) == ("1", "99")
    assert "not JSON" not in done.stdout + done.stderr
    logs = (tmp_path / "r" / "workers").iterdir()
    assert "not JSON" in "".join(file.read_text(errors="replace") for file in logs)


def test_cases_of_one_model_and_seed_share_one_training_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds = []

    def counted(context: Any) -> Any:
        seeds.append(context.case.seed)
        return train(context)

    monkeypatch.setattr(training, "train", counted)
    worker = Worker(backends.load, tasks.load, "numpy", "numpy", threads=1)
    learning = bench_for(probe="learning", steps=2, length=5, held_out=10).case
    for seed in (0, 1, 0):
        for probe in ("learning", "gradients"):
            answer = worker.answer(replace(learning, seed=seed, probe=probe))
            assert (answer["status"], answer["reason"]) == ("ok", None)
    assert seeds == [0, 1, 0]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Unsupported("no gru"), "skipped", "no gru"),
        (MemoryError(), "failed", "out of memory: MemoryError:"),
        (RuntimeError("RESOURCE_EXHAUSTED: 2\nGiB"), "failed", "out of memory: RuntimeError: RESO"),
        (ValueError("a\n  b"), "failed", "ValueError: a b"),
    ],
)
def test_error_of_a_backend_is_an_answer_with_its_reason(
    error: Exception, status: str, reason: str
) -> None:
    def failing(*_: Any) -> Any:
        raise error

    broken = Registry(broken=SimpleNamespace(open_session=failing), numpy=backends.load("numpy"))
    worker = Worker(broken.load, tasks.load, "broken", "numpy", threads=1)
    answer = worker.answer(bench_for(probe="parity").case)
    assert answer["status"] == status
    assert answer["reason"].startswith(reason)
    assert answer["environment"]["versions"].keys() == {"numpy"}


def declaring(environment: Any) -> Registry:
    """One backend that declares these variables."""
    return Registry(mine=SimpleNamespace(environment=environment))


def test_variables_that_an_adapter_declares_are_those_of_the_worker() -> None:
    registry = declaring(lambda threads: {"MINE": str(10 * threads), "OMP_NUM_THREADS": "7"})
    variables = worker_environment(registry, "mine", threads=3)
    assert (variables["MINE"], variables["OMP_NUM_THREADS"]) == ("30", "7")
    assert variables["MKL_NUM_THREADS"] == "3"


def test_adapter_without_variables_gets_those_of_the_harness() -> None:
    for registry, name in ((Registry(mine=SimpleNamespace()), "mine"), (backends, "numpy")):
        variables = worker_environment(registry, name, threads=2)
        assert [variables[name] for name in THREAD_VARIABLES] == ["2"] * 4
        assert variables["PATH"] == os.environ["PATH"]


def test_worker_without_its_parent_ends_at_once() -> None:
    worker = ("worker", "--backend", "numpy", "--parent")
    assert bench(*worker, "1", stdin=subprocess.DEVNULL).returncode == 1
    assert bench(*worker, str(os.getpid()), stdin=subprocess.DEVNULL).returncode == 0


def test_files_that_a_case_has_used_up_fail_that_case() -> None:
    require_free_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        with suppress(OSError):
            while True:
                used.append(os.open(os.devnull, os.O_RDONLY))
        os.close(used.pop())
        with pytest.raises(OSError, match="Too many open files"):
            require_free_files()
        assert os.close(os.open(os.devnull, os.O_RDONLY)) is None, "it has closed what it opened"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in used:
            os.close(file)
    require_free_files()
