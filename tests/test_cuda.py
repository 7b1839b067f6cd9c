"""The CUDA side: run wherever an NVIDIA GPU and a framework built for it are present."""

from typing import Any

import numpy as np
import pytest
from conftest import bench_for

import backends
from bench.probes.memory import memory
from bench.probes.parity import parity
from bench.probes.speed import speed
from bench.select import why_not


@pytest.fixture
def device(backend: str) -> str:
    if reason := why_not(backends.load(backend), "cuda"):
        pytest.skip(f"{backend}: {reason}")
    return "cuda"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_a_backend_equals_the_reference_on_the_gpu(
    backend: str, device: str, cell: str, dtype: str
) -> None:
    """With TF32 on, float32 would miss its tolerance a hundred times over."""
    bench = bench_for(backend, cell=cell, dtype=dtype, device=device, hidden=64, length=20)
    assert parity(bench).failure is None


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_fused_layers_run_in_cudnn(backend: str, device: str, cell: str) -> None:
    if backend == "jax":
        pytest.skip("jax scans over its own cell, which XLA compiles")
    bench = bench_for(backend, "speed", cell=cell, dtype="float32", device=device)
    speed(bench)
    assert bench.opened[bench.case.model].executed_path() == "cudnn"


def test_precision_and_determinism_are_stated(backend: str, device: str) -> None:
    bench = bench_for(backend, "speed", dtype="float32", device=device)
    bench.open(bench.case.model, bench.weights(bench.case.model))
    stated = backends.load(backend).settings(device)
    assert any("tf32" in name or "precision" in name for name in stated)
    assert not any(value for name, value in stated.items() if name.startswith("tf32"))


@pytest.mark.parametrize("index", ["", ":0"])
def test_the_allocator_s_peak_is_measured(backend: str, device: str, index: str) -> None:
    place = device + index
    found: dict[str, Any] = dict(memory(bench_for(backend, "memory", device=place)).metrics)
    assert found["device_peak"] > 1000


def test_results_wait_for_the_device(backend: str, device: str) -> None:
    bench = bench_for(backend, "speed", device=device, hidden=256, length=100, batch=64)
    session: Any = bench.open(bench.case.model, bench.weights(bench.case.model))
    x, y = (session.put(part) for part in bench.task.sample(np.random.default_rng(0)))
    losses = [session.step(x, y) for _ in range(3)]
    session.wait()
    assert np.isfinite([float(loss) for loss in losses]).all()
