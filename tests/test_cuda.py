"""Backends on CUDA: run where an NVIDIA GPU and a framework built for it are present."""

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


OpenContext = Callable[..., ProbeContext]


@pytest.fixture
def context_on_gpu(backend: str, device: str) -> OpenContext:
    """Open a probe's context on the GPU; skip a model that the backend declares as a limit."""

    def open_context(
        probe: str, cell: str = "lstm", dtype: str = "float32", **size: Any
    ) -> ProbeContext:
        context = bench_for(backend, probe, cell=cell, dtype=dtype, device=device, **size)
        if limit := context.supports.limit(context.case.model):
            pytest.skip(f"{backend}: {limit}")
        return context

    return open_context


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_backend_equals_the_reference_on_the_gpu(
    context_on_gpu: OpenContext, cell: str, dtype: str
) -> None:
    assert parity(context_on_gpu("parity", cell, dtype, hidden=64, length=20)).failure is None


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_gate_rejects_tf32(
    name: str, cell: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in request.config.getoption("--backends"):
        pytest.skip(f"{name} is not under test")
    if reason := why_unavailable(backends.load(name), "cuda"):
        pytest.skip(f"{name}: {reason}")
    context = bench_for(name, cell=cell, dtype="float32", device="cuda", hidden=64, length=20)
    outcome = parity(with_tf32(name, context, monkeypatch))
    assert outcome.failure is not None and outcome.metrics["arrays_rejected"] > 5


def with_tf32(name: str, context: ProbeContext, monkeypatch: pytest.MonkeyPatch) -> ProbeContext:
    """The same context with a backend that computes products in TF32."""
    module = backends.load(name)
    if name == "torch":
        import torch

        def open_session(*args: Any) -> Any:
            session = module.open_session(*args)
            for switches in (torch.backends.cuda.matmul, torch.backends.cudnn):
                monkeypatch.setattr(switches, "allow_tf32", True)
            return session

        coarse: Any = SimpleNamespace(**{**vars(module), "open_session": open_session})
        return dataclasses.replace(context, backend=coarse)
    import jax

    from backends._jax import session

    # Keep no compiled function.
    monkeypatch.setattr(session, "compiled", session.compiled.__wrapped__)
    precision = jax.default_matmul_precision
    monkeypatch.setattr(jax, "default_matmul_precision", lambda _: precision("tensorfloat32"))
    return context


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_executed_path_is_the_expected_one(
    context_on_gpu: OpenContext, backend: str, cell: str
) -> None:
    context = context_on_gpu("speed", cell)
    speed(context)
    expected = backends.load(backend).expected_path(context.case.model, "cuda")
    assert context.opened[context.case.model].executed_path() == expected


def test_settings_state_the_precision_and_tf32_is_off(
    context_on_gpu: OpenContext, backend: str, device: str
) -> None:
    context = context_on_gpu("speed")
    context.open(context.case.model, context.weights(context.case.model))
    settings = backends.load(backend).settings(device)
    assert any("tf32" in name or "precision" in name for name in settings)
    assert not any(value for name, value in settings.items() if name.startswith("tf32"))


@pytest.mark.parametrize("index", ["", ":0"])
def test_peak_of_the_device_allocator_is_measured(backend: str, device: str, index: str) -> None:
    context = bench_for(backend, "memory", dtype="float32", device=device + index)
    metrics: dict[str, Any] = dict(memory(context).metrics)
    assert metrics["device_peak"] > 1000


def test_losses_are_finite_after_waiting_for_the_device(context_on_gpu: OpenContext) -> None:
    context = context_on_gpu("speed", hidden=256, length=100, batch=64)
    session: Any = context.open(context.case.model, context.weights(context.case.model))
    x, y = (session.put(array) for array in context.task.sample(np.random.default_rng(0)))
    losses = [session.step(x, y) for _ in range(3)]
    session.wait()
    assert np.isfinite([float(loss) for loss in losses]).all()


def test_floor_is_that_of_the_framework_s_own_products(
    context_on_gpu: OpenContext, backend: str
) -> None:
    if not hasattr(backends.load(backend), "matrix_products"):
        pytest.skip(f"{backend} offers no products")
    small, large = (speed(context_on_gpu("speed", hidden=h, batch=64)).samples for h in (64, 1024))
    assert "floor.training.numpy" not in small
    for name in ("floor.forward.own", "floor.training.own"):
        assert 0 < min(small[name]) < min(large[name])


def test_clocks_and_temperature_are_measured(context_on_gpu: OpenContext, device: str) -> None:
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    metrics = dict(speed(context_on_gpu("speed")).metrics)
    assert metrics["gpu_clock_mhz"] and metrics["gpu_memory_clock_mhz"]
    assert 0 < (metrics["gpu_temperature_c"] or 0) < 120
    assert metrics["gpu_throttled"] in (0.0, 1.0)
