"""A worker gets its variables before it imports a framework, and its answers stay clean."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from running import PLUGIN, bench, records, tiny_run
from test_selection import Registry

import backends
from bench.records.folder import RunFolder
from bench.run.environment import worker_environment

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
