"""The variables and instruction sets that decide speed are recorded, and nothing else is."""

import os
import platform
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import bench_for
from running import bench_inside, copy_run, records, tiny_run
from test_selection import Registry

import backends
import tasks
from bench.records.folder import RunFolder
from bench.records.speed_variables import speed_variables
from bench.run.environment import PINNED, thread_variables
from bench.run.worker import Worker
from bench.run.worker_conditions import WorkerConditions

SPEED = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "OPENBLAS_CORETYPE"),
    *("MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "MKL_DEBUG_CPU_TYPE", "NPY_DISABLE_CPU_FEATURES"),
    *("NPROC", "PJRT_NPROC", "XLA_FLAGS", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION"),
    "TF_ENABLE_ONEDNN_OPTS",
    *("TF_XLA_FLAGS", "TF_GPU_ALLOCATOR", "TF_NUM_INTEROP_THREADS", "KERAS_TORCH_DEVICE"),
    *("OMP_PROC_BIND", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_AFFINITY"),
    *("LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_CONF", "GLIBC_TUNABLES", "PYTHONMALLOC"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "CUDA_LAUNCH_BLOCKING"),
    *("PYTORCH_CUDA_ALLOC_CONF", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCHINDUCTOR_FREEZING"),
    *("CUDNN_CONV_WSCAP_DBG", "NUMPY_MADVISE_HUGEPAGE"),
)
OTHERS = (
    *("HOME", "PATH", "LANG", "PYTHONPATH", "MINE_SPEED", "TORCH_HOME", "TORCH_LOGS"),
    *("TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "CUDA_VISIBLE_DEVICES"),
    *("CUDA_HOME", "CUDA_VERSION", "TF_CPP_MIN_LOG_LEVEL", "TF_VAR_database", "TF_CLI_CONFIG_FILE"),
    *("KERAS_BACKEND", "KMP_DUPLICATE_LIB_OK", "TF_FORCE_GPU_ALLOW_GROWTH"),
    *("MKL_LICENSE_KEY_1", "TORCH_API_TOKEN"),
)


def test_only_variables_that_decide_speed_are_taken() -> None:
    environ = dict.fromkeys((*SPEED, *OTHERS), "x")
    assert set(speed_variables(environ, backends.SPEED_VARIABLES)) == set(SPEED)
    assert speed_variables({"MINE_SPEED": "x"}, ("MINE_*",)) == {"MINE_SPEED": "x"}
    assert speed_variables({"XLA_FLAGS": "x"}, ("XLA_*",), omit={"XLA_FLAGS"}) == {}


def test_variables_of_the_number_of_threads_are_recorded_as_threads_only() -> None:
    declare = {"MINE": "same", "OMP_NUM_THREADS": "7"}
    for fewest in (1, 2):
        by_threads = {n: {**declare, "OF_THREADS": str(max(fewest, n))} for n in range(1, 100)}
        adapter = SimpleNamespace(environment=by_threads.__getitem__)
        assert thread_variables(adapter) == {*PINNED, "OF_THREADS"} - {"OMP_NUM_THREADS"}
    assert thread_variables(SimpleNamespace()) == set(PINNED)


def environment_of(worker: Worker, probe: str = "parity") -> dict[str, Any]:
    answer = worker.answer(bench_for(probe=probe).case)
    assert (answer["status"], answer["reason"]) == ("ok", None)
    environment: dict[str, Any] = answer["environment"]
    return environment


def test_worker_tells_variables_instruction_sets_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in may name variables of its own, and what its library uses."""
    monkeypatch.setenv("MINE_ISA", "wide")
    monkeypatch.setenv("XLA_FLAGS", "--a")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    numpy = backends.load("numpy")
    mine = SimpleNamespace(
        **{name: getattr(numpy, name) for name in ("open_session", "SUPPORTS", "REQUIRES")},
        SPEED_VARIABLES=("MINE_*",),
        instruction_sets=lambda: {"mine": "AVX9", "other": None},
    )
    registry = Registry(mine=mine, numpy=numpy)
    worker = Worker(registry.load, tasks.load, "mine", "numpy", 1, WorkerConditions(("XLA_*",)))
    environment = environment_of(worker)
    assert {"MINE_ISA": "wide", "XLA_FLAGS": "--a"}.items() <= environment["variables"].items()
    assert "MKL_NUM_THREADS" not in environment["variables"]
    assert {"mine": "AVX9", "other": None}.items() <= environment["instruction_sets"].items()
    assert environment["instruction_sets"]["numpy"]
    silent = WorkerConditions().describe(SimpleNamespace(REQUIRES=("silent", "more")))
    assert silent["instruction_sets"].get("silent", "missing") is None
    assert environment["physical_cores"] is None or environment["physical_cores"] >= 1


def test_torch_tells_the_instruction_sets_that_it_uses() -> None:
    report = backends.load("torch").instruction_sets()
    assert report.keys() == {"torch", "onednn"}
    assert report["torch"] and (report["onednn"] is None or "\n" not in report["onednn"])


KERNELS = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem"}
USUAL = {name: os.environ.get(name, "unset") for name in KERNELS}
"""What the environment of the tests has instead."""


@pytest.fixture(scope="module")
def other_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a run `k` under other variables than those of this process."""
    root = tmp_path_factory.mktemp("kernels")
    words = ("--cells", "rnn", "--probes", "learning,gradients")
    done = tiny_run(root, *words, run="k", environment=dict(KERNELS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name}={value}" in done.stdout for name, value in KERNELS.items())
    return root


def environments(root: Path, run: str) -> dict[str, Any]:
    """The environments of a run, by name."""
    found: dict[str, Any] = RunFolder.existing(root, run).info()["environments"]
    assert {record["environment"] for record in records(root, run)} == set(found)
    return found


def test_other_variables_are_another_environment(finished_run: Path, other_kernels: Path) -> None:
    usual, other = environments(finished_run, "r"), environments(other_kernels, "k")
    assert not usual.keys() & other.keys()
    for environment in other.values():
        assert environment["variables"].items() >= KERNELS.items()
    architectures = {e["instruction_sets"].get("openblas") for e in other.values()}
    if platform.machine() == "x86_64":  # NumPy may have another BLAS elsewhere
        assert architectures <= {"Nehalem", None}


def test_runs_under_other_variables_stand_in_rows_of_their_own(
    finished_run: Path, other_kernels: Path, tmp_path: Path
) -> None:
    copy_run(finished_run, tmp_path)
    shutil.copytree(other_kernels / "k", tmp_path / "k")
    done = bench_inside("history", "--metric", "parity-error", "--results-dir", tmp_path)
    names = [line.split(" rnn")[0] for line in done.stdout.splitlines() if " rnn" in line]
    usual = [f"{name}={value}".replace("=unset", " unset") for name, value in USUAL.items()]
    assert names == [
        "numpy [ATEN_CPU_CAPABILITY=default, OPENBLAS_CORETYPE=Nehalem]",
        f"numpy [{', '.join(usual)}]",
    ]


def test_stored_runs_under_other_variables_are_not_comparable(
    finished_run: Path, other_kernels: Path, tmp_path: Path
) -> None:
    sides = (finished_run / "r", other_kernels / "k")
    done = bench_inside("compare", *sides, "--results-dir", tmp_path, "--run-id", "c")
    assert done.returncode == 3
    verdict = (tmp_path / "c" / "verdict.md").read_text()
    assert "not comparable" in verdict
    assert "; ".join(f"{name} {USUAL[name]} → {KERNELS[name]}" for name in KERNELS) in verdict


def test_run_is_not_resumed_under_other_variables(other_kernels: Path, tmp_path: Path) -> None:
    shutil.copytree(other_kernels / "k", tmp_path / "k")
    before = records(tmp_path, "k")
    done = bench_inside("--resume", "k", "--results-dir", tmp_path, "--cells", "gru")
    assert done.returncode == 2
    assert f"OPENBLAS_CORETYPE Nehalem is now {USUAL['OPENBLAS_CORETYPE']}" in done.stderr
    assert records(tmp_path, "k") == before
