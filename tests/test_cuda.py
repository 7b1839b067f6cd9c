"""The CUDA side: run wherever an NVIDIA GPU and a framework built for it are present."""

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

import backends
from bench.gate.parity import parity
from bench.plan.availability import why_unavailable
from bench.probes.context import ProbeContext
from bench.probes.memory import memory
from bench.probes.speed import speed


@pytest.fixture
def device(backend: str) -> str:
    if reason := why_unavailable(backends.load(backend), "cuda"):
        pytest.skip(f"{backend}: {reason}")
    return "cuda"


Open = Callable[..., ProbeContext]


@pytest.fixture
def bench_on(backend: str, device: str) -> Open:
    """A bench on the GPU, unless the backend declares that it has no such model."""

    def opened(probe: str, cell: str = "lstm", dtype: str = "float32", **size: Any) -> ProbeContext:
        bench = bench_for(backend, probe, cell=cell, dtype=dtype, device=device, **size)
        if limit := bench.supports.limit(bench.case.model):
            pytest.skip(f"{backend}: {limit}")
        return bench

    return opened


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_a_backend_equals_the_reference_on_the_gpu(bench_on: Open, cell: str, dtype: str) -> None:
    assert parity(bench_on("parity", cell, dtype, hidden=64, length=20)).failure is None


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_tf32_is_rejected(
    name: str, cell: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in request.config.getoption("--backends"):
        pytest.skip(f"{name} is not under test")
    if reason := why_unavailable(backends.load(name), "cuda"):
        pytest.skip(f"{name}: {reason}")
    bench = bench_for(name, cell=cell, dtype="float32", device="cuda", hidden=64, length=20)
    found = parity(with_tf32(name, bench, monkeypatch))
    assert found.failure is not None and found.metrics["arrays_rejected"] > 5


def with_tf32(name: str, bench: ProbeContext, monkeypatch: pytest.MonkeyPatch) -> ProbeContext:
    """The same bench, its backend computing products in TF32."""
    module = backends.load(name)
    if name == "torch":
        import torch

        def opened(*args: Any) -> Any:
            session = module.open_session(*args)
            for switches in (torch.backends.cuda.matmul, torch.backends.cudnn):
                monkeypatch.setattr(switches, "allow_tf32", True)
            return session

        coarse: Any = SimpleNamespace(**{**vars(module), "open_session": opened})
        return dataclasses.replace(bench, backend=coarse)
    import jax

    from backends import _jax

    monkeypatch.setattr(_jax, "compiled", _jax.compiled.__wrapped__)  # nothing of it is kept
    usual = jax.default_matmul_precision
    monkeypatch.setattr(jax, "default_matmul_precision", lambda _: usual("tensorfloat32"))
    return bench


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_path_is_the_one_expected(bench_on: Open, backend: str, cell: str) -> None:
    bench = bench_on("speed", cell)
    speed(bench)
    expected = backends.load(backend).expected_path(bench.case.model, "cuda")
    assert bench.opened[bench.case.model].executed_path() == expected


def test_precision_and_determinism_are_stated(bench_on: Open, backend: str, device: str) -> None:
    bench = bench_on("speed")
    bench.open(bench.case.model, bench.weights(bench.case.model))
    stated = backends.load(backend).settings(device)
    assert any("tf32" in name or "precision" in name for name in stated)
    assert not any(value for name, value in stated.items() if name.startswith("tf32"))


@pytest.mark.parametrize("index", ["", ":0"])
def test_the_allocator_s_peak_is_measured(backend: str, device: str, index: str) -> None:
    bench = bench_for(backend, "memory", dtype="float32", device=device + index)
    found: dict[str, Any] = dict(memory(bench).metrics)
    assert found["device_peak"] > 1000


def test_results_wait_for_the_device(bench_on: Open) -> None:
    bench = bench_on("speed", hidden=256, length=100, batch=64)
    session: Any = bench.open(bench.case.model, bench.weights(bench.case.model))
    x, y = (session.put(part) for part in bench.task.sample(np.random.default_rng(0)))
    losses = [session.step(x, y) for _ in range(3)]
    session.wait()
    assert np.isfinite([float(loss) for loss in losses]).all()


def test_clocks_and_temperature_are_read(bench_on: Open, device: str) -> None:
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    found = dict(speed(bench_on("speed")).metrics)
    assert found["gpu_clock_mhz"] and found["gpu_memory_clock_mhz"]
    assert 0 < (found["gpu_temperature_c"] or 0) < 120
    assert found["gpu_throttled"] in (0.0, 1.0)
