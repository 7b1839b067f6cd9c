"""The speed and memory probes measure all of the framework's work and nothing else."""

import gc
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from backends import numpy_backend
from bench.probes.clock import steady_samples
from bench.probes.memory import memory
from bench.probes.speed import speed
from bench.probes.training import norm
from bench.records.conditions import LoadCounters, frequency_mhz, gpu_conditions
from bench.spec import ModelSpec, Params, Supports, Training
from studies import faulty_backends


class Delayed:
    """A session of an asynchronous device: calls return at once and `wait` blocks until the work is
    done. The first call of each phase compiles."""

    def __init__(self, inner: Any, work_s: float, compile_s: float) -> None:
        self.inner, self.work_s, self.compile_s = inner, work_s, compile_s
        self.due, self.compiled = 0.0, set()

    def _launch(self, phase: str) -> Any:
        if phase not in self.compiled:
            self.compiled.add(phase)
            time.sleep(self.compile_s)
        self.due = max(self.due, time.perf_counter()) + self.work_s

    def forward(self, x: Any) -> Any:
        self._launch("forward")
        return self.inner.predict(x)

    def backward(self, x: Any, y: Any) -> Any:
        self._launch("backward")
        return self.inner.backward(x, y)

    def step(self, x: Any, y: Any) -> Any:
        self._launch("step")
        return self.inner.step(x, y)

    def put(self, array: Any) -> Any:
        time.sleep(0.05)
        return array

    def wait(self) -> None:
        while time.perf_counter() < self.due:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def delayed(work_s: float, compile_s: float) -> Any:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        inner = numpy_backend.open_session(spec, params, device, training)
        return Delayed(inner, work_s, compile_s)

    return SimpleNamespace(
        REQUIRES=(), SUPPORTS=Supports(), devices=lambda: ("cpu",), open_session=open_session
    )


def test_asynchronous_work_is_waited_for_and_compilation_is_apart() -> None:
    outcome = speed(bench_for(delayed(work_s=0.004, compile_s=0.2), "speed"))
    for phase in ("forward", "gradients", "step"):
        samples = outcome.samples[phase]
        assert len(samples) >= 12
        assert min(samples) > 0.0039  # no sample measured the launch alone
        # Only a launch and a wait are added to the work: no compilation (0.2) and no copy (0.05).
        assert np.quantile(samples, 0.25) < 0.05
        assert outcome.metrics[f"first_{phase}_s"] > 0.2


def test_short_calls_are_repeated_in_one_sample() -> None:
    outcome = speed(bench_for(delayed(work_s=1e-4, compile_s=0.0), "speed"))
    assert outcome.metrics["step_calls_a_sample"] > 5


def test_warm_up_that_does_not_settle_is_reported() -> None:
    """Each call is slower than the last one by a tenth, so each window by far more than 5%."""
    pace = {"s": 2e-3}

    def slower_and_slower() -> None:
        pace["s"] = min(pace["s"] * 1.1, 0.2)
        time.sleep(pace["s"])

    idle = SimpleNamespace(wait=lambda: None)
    assert not steady_samples(slower_and_slower, idle, budget_s=0.3).warmed_up
    assert steady_samples(lambda: time.sleep(0.006), idle, budget_s=5.0).warmed_up


def test_session_that_differs_from_the_reference_when_timed_fails() -> None:
    def off(result: Any) -> Any:
        return result[0], {k: v * (1 + 1e-3) for k, v in result[1].items()}

    outcome = speed(bench_for(faulty_backends.with_results(gradients=off), "speed"))
    assert outcome.failure is not None
    assert "first_gradient_norm differs by 0.001" in outcome.failure


def test_garbage_collector_is_off_while_timing_and_on_again_afterwards() -> None:
    states = set()
    idle = SimpleNamespace(wait=lambda: None)
    assert gc.isenabled()
    steady_samples(lambda: states.add(gc.isenabled()), idle, budget_s=0.0)
    assert gc.isenabled()
    assert False in states


def test_timed_session_has_the_reference_s_loss_and_gradient_norm(backend: str) -> None:
    context = bench_for(backend, "speed", cell="gru", steps=3)
    metrics, model = speed(context).metrics, context.case.model
    session = context.open_reference(model, context.weights(model))
    loss, gradients = session.gradients(*context.task.sample(context.rng("batches")))
    del gradients["x"]
    assert metrics["first_loss"] == pytest.approx(float(loss), rel=1e-9)
    assert metrics["first_gradient_norm"] == pytest.approx(norm(*gradients.values()), rel=1e-9)
    assert metrics["native_calls"] == 1


def test_case_without_speed_settings_is_refused() -> None:
    context = bench_for("numpy", "parity")
    with pytest.raises(ValueError, match="no speed settings"):
        speed(context)


def test_load_of_other_processes_is_told_from_our_own() -> None:
    since = LoadCounters.now()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert LoadCounters.now().own_s - since.own_s > 0.05
    since = LoadCounters.now()
    loop = "import time; end = time.time() + 0.7\nwhile time.time() < end: pass"
    subprocess.run([sys.executable, "-c", loop], check=True)
    assert (since.since()["others_busy"] or 0.0) > 0.5


def test_stolen_time_and_throttling_are_differences_of_counters() -> None:
    then = replace(LoadCounters.now(), stolen_s=-1000.0, throttled=-3)
    counters = then.since()
    assert counters["stolen"] is not None and counters["stolen"] > 100
    throttled = LoadCounters.now().throttled
    assert replace(then, throttled=None).since()["throttled"] is None
    assert counters["throttled"] == (None if throttled is None else throttled + 3)
    assert frequency_mhz() is None or frequency_mhz() > 100  # type: ignore[operator]


def test_a_gpu_s_clocks_are_read_through_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    nvml = SimpleNamespace(
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: calls.append("init"),
        nvmlShutdown=lambda: calls.append("shutdown"),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda name: name,
        nvmlDeviceGetClockInfo=lambda handle, clock: (calls.append(handle), 1000 * clock)[1],
        nvmlDeviceGetTemperature=lambda handle, sensor: 60,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x20 | 0x1,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc")
    expected = {
        "gpu_clock_mhz": 1000.0,
        "gpu_memory_clock_mhz": 2000.0,
        "gpu_temperature_c": 60.0,
        "gpu_throttled": 1.0,
    }
    assert gpu_conditions("cuda") == gpu_conditions("cuda:1") == expected
    assert calls == ["init", 3, 3, "shutdown", "init", "GPU-abc", "GPU-abc", "shutdown"]
    assert gpu_conditions("cpu") == {}
    nvml.nvmlDeviceGetTemperature = lambda handle, sensor: 1 / 0
    assert gpu_conditions("cuda") == {}


def test_memory_of_a_session_is_measured() -> None:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        session = numpy_backend.open_session(spec, params, device, training)
        session.ballast = np.ones(2**23)  # 64 MiB, touched
        return session

    heavy = SimpleNamespace(
        REQUIRES=(), SUPPORTS=Supports(), devices=lambda: ("cpu",), open_session=open_session
    )
    metrics = memory(bench_for(heavy, "memory")).metrics
    assert metrics["process_growth"] > 0.9 * 2**26
    assert metrics["process_peak"] > metrics["process_growth"]
    assert memory(bench_for("numpy", "memory")).metrics["process_growth"] < 2**25


@pytest.mark.parametrize("peak", [-5, float("nan"), float("inf"), "many", True])
def test_peak_of_memory_that_is_no_number_of_bytes_is_refused(peak: Any) -> None:
    def backend(peak: Any) -> Any:
        adapter = faulty_backends.backend(numpy_backend.open_session)
        adapter.peak_memory = lambda device: peak
        return adapter

    assert memory(bench_for(backend(None), "memory")).metrics["device_peak"] is None
    assert memory(bench_for(backend(4096), "memory")).metrics["device_peak"] == 4096
    with pytest.raises(ValueError, match=r"peak_memory\(\) returned .*; it must be bytes"):
        memory(bench_for(backend(peak), "memory"))
