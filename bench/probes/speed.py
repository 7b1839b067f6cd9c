"""The speed probe: phases apart, warmed up, copies outside the clock and the wait inside it."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from statistics import median
from typing import Any

import numpy as np

from bench.gate.difference import relative_error
from bench.plan.case import SpeedSettings
from bench.plan.probes import PHASES
from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import norm
from bench.records.machine import Moment, gpu_conditions
from bench.weights import weight_shapes

SAMPLES = 12
SAMPLE_S = 0.005
WINDOW = 5
PRODUCT, REPEATS = 1536, 6
"""Rows of the square matrices whose product is the yardstick, and how often it is taken."""
AGREEMENT = 0.05
PROVEN: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 0.05}
"""How far loss and gradient norm of what was timed may be from the reference in float64."""


def speed(bench: ProbeContext) -> Outcome:
    """Seconds for opening a session, for the first call of each phase (compilation included)
    and, as raw samples, for one steady call of each; and the first loss and gradient norm, so
    that what was timed is held to what was proven."""
    model, case = bench.case.model, bench.case
    wide = replace(model, dtype="float64")
    weights, batch = bench.weights(model), bench.task.sample(bench.rng("batches"))
    bench.watch.timed(bench.import_framework)()
    imported, before, start = bench.watch.seconds, Moment.now(), time.perf_counter()
    session = bench.open_native(model, weights, case.training)
    session.wait()
    metrics: dict[str, float | None] = {"open_s": time.perf_counter() - start}
    x, y = (session.put(part) for part in batch)
    session.wait()
    samples: dict[str, list[float]] = {}
    timing = case.speed or SpeedSettings(phase_s=0.4, phases=PHASES)
    for name, call in phases(session, x, y, bool(bench.supports.training)):
        if name not in timing.phases and bench.supports.training:
            continue
        metrics[f"first_{name}_s"] = clock(call, session, 1)
        warmed, seconds, calls = _steady(call, session, timing.phase_s)
        samples[name] = seconds
        metrics |= {f"{name}_calls_a_sample": calls, f"{name}_warmed_up": float(warmed)}
        if name == "gradients":
            metrics |= _proof(session, x, y)
    metrics["native_calls"] = float(hasattr(session, "forward"))
    metrics |= before.since() | gpu_conditions(case.device)
    metrics["flop_step"] = float(operations(bench))
    if case.device == "cpu":
        rate = bench.cached(f"product {model.storage}", lambda: product_rate(model.storage))
        metrics["product_gflops"] = rate
    wrong = None
    if "gradients" in samples:
        truth = _proof(bench.open_reference(wide, weights), *batch)
        wrong = _unlike(metrics, truth, model.dtype)
    bench.watch.seconds = imported + time.perf_counter() - start
    return Outcome(metrics, samples, failure=wrong)


def product_rate(dtype: str) -> float:
    """GFLOP/s of NumPy's product of two square matrices on this process's threads: what its
    share of the machine can do at best, against which the kernels are read."""
    a = np.random.default_rng(0).standard_normal((PRODUCT, PRODUCT)).astype(dtype)
    out, taken = np.empty_like(a), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        taken.append(time.perf_counter() - start)
    return 2 * PRODUCT**3 / min(taken) / 1e9


def _proof(session: Any, x: Any, y: Any) -> dict[str, float | None]:
    """The loss and the norm of all its gradients at the weights that the session has."""
    loss, gradients = session.gradients(x, y)
    del gradients["x"]
    return {"first_loss": loss, "first_gradient_norm": norm(*gradients.values())}


def _unlike(
    timed: Mapping[str, float | None], truth: Mapping[str, float | None], dtype: str
) -> str | None:
    """How the session that was timed, on all its threads, differs from the reference."""
    for name, value in truth.items():
        error = relative_error(np.asarray(timed[name]), np.asarray(value))
        if not error <= PROVEN[dtype]:
            return f"what was timed is not what was proven: {name} differs by {error:.2g}"
    return None


def phases(session: Any, x: Any, y: Any, training: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The adapter's own calls that leave results on the device, where it has them."""
    forward = getattr(session, "forward", session.predict)
    yield "forward", lambda: forward(x)
    if not training:
        return
    backward = getattr(session, "backward", session.gradients)
    yield "gradients", lambda: backward(x, y)
    yield "step", lambda: session.step(x, y)


def _steady(call: Callable[[], Any], session: Any, budget: float) -> tuple[bool, list[float], int]:
    """Whether the warm-up settled, seconds a call for each sample, and calls a sample.

    The warm-up ends when the medians of two successive windows of samples agree within 5%, or
    when its share of the budget is spent. Then at least twelve samples of at least 5 ms."""
    once = clock(call, session, 1)
    calls = max(1, int(np.ceil(SAMPLE_S / max(once, 1e-7))))
    samples: list[float] = []
    with _no_collector():
        end, windows = time.perf_counter() + budget, [_window(call, session, calls)]
        warmed = False
        while not warmed and (len(windows) < 2 or time.perf_counter() < end):
            windows.append(_window(call, session, calls))
            warmed = abs(windows[-1] / windows[-2] - 1) < AGREEMENT
        calls = max(1, int(np.ceil(SAMPLE_S / windows[-1])))
        end = time.perf_counter() + budget
        while len(samples) < SAMPLES or (time.perf_counter() < end and len(samples) < 8 * SAMPLES):
            samples.append(clock(call, session, calls) / calls)
    return warmed, samples, calls


def _window(call: Callable[[], Any], session: Any, calls: int) -> float:
    return median(clock(call, session, calls) / calls for _ in range(WINDOW))


def clock(call: Callable[[], Any], session: Any, calls: int) -> float:
    """Seconds for a number of calls and the device's finishing them."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    session.wait()
    return time.perf_counter() - start


@contextmanager
def _no_collector() -> Iterator[None]:
    """Python's garbage collector off."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def operations(bench: ProbeContext) -> int:
    """Floating-point operations of the matrix products of one update: 2 for each weight, step
    and sequence in the forward pass, and twice that in the backward pass. Elementwise work and
    the optimiser are left out; dL/dx of a first layer, which training does not need, too."""
    model, task = bench.case.model, bench.task
    products = 0
    for name, shape in weight_shapes(model).items():
        *where, kind = name.split(".")
        if kind not in ("w", "u"):
            continue
        steps = model.decoder if "decoder" in where else task.time
        if "readout" in where:
            steps = 1 if model.readout == "last" else model.decoder or task.time
        passes = 2 if kind == "w" and "0" in where else 3
        products += passes * steps * prod(shape)
    return 2 * task.batch * products
