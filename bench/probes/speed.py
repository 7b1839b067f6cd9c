"""The speed probe: each phase apart and warmed up, copies outside the clock, the wait inside it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bench.gate.difference import relative_error
from bench.gate.rounding import TIMED_TOLERANCE
from bench.plan.case import SpeedSettings
from bench.plan.probes import ADVANCE, FLOOR_OF
from bench.probes.clock import SteadySamples, clock, samples_in_turns, steady_samples
from bench.probes.context import Outcome, ProbeContext
from bench.probes.escaped_work import check_wait
from bench.probes.floor import floor_samples
from bench.probes.latency import measure_advance
from bench.probes.products import operations, training_products
from bench.probes.timed_results import check_backward, check_forward, check_repeats
from bench.probes.training import norm
from bench.probes.turns import Turns
from bench.records.conditions import LoadCounters, gpu_conditions
from bench.spec import Array

PRODUCT_SIZE, PRODUCT_REPEATS = 1536, 6
"""Rows of the square matrices whose product is the control of stored runs, and how often it is
timed."""

Metrics = dict[str, float | None]
Samples = dict[str, list[float]]


def speed(context: ProbeContext) -> Outcome:
    """Seconds for opening a session, for the first call of each phase (compilation included) and,
    as raw samples, for one steady call of each phase and for its floor.

    The first loss and gradient norm of the timed session, or its first outputs where single steps
    are timed (`latency`), are compared with the reference. Raises ValueError for a case without
    speed settings.
    """
    case = context.case
    measure = _measure_advance if ADVANCE in _settings(context).phases else _measure_phases
    weights, batch = context.weights(case.model), context.first_batch()
    context.watch.timed(context.import_framework)()
    imported, before, start = context.watch.seconds, LoadCounters.now(), time.perf_counter()
    session = context.open_native(case.model, weights, case.training)
    session.wait()
    metrics: Metrics = {"open_s": time.perf_counter() - start}
    phase_metrics, samples, failure = measure(context, session, batch)
    metrics |= phase_metrics
    waited_s = context.turns.waited_s if context.turns else 0.0
    metrics |= before.since(waited_s * case.threads) | gpu_conditions(case.device)
    products = training_products(case.model, context.task.batch, context.task.time)
    metrics["flop_step"] = float(operations(products))
    if case.device == "cpu":
        dtype = case.model.storage
        rate = context.cached(f"product {dtype}", lambda: product_rate(dtype))
        metrics["product_gflops"] = rate
    if not context.turns:  # a comparison has its own control, and no tables
        samples |= floor_samples(context, [phase for phase in FLOOR_OF if phase in samples])
    context.watch.seconds = imported + time.perf_counter() - start - waited_s
    return Outcome(metrics, samples, failure=failure)


def _settings(context: ProbeContext) -> SpeedSettings:
    if context.case.speed is None:
        raise ValueError(
            f"case {context.case} has no speed settings; the speed probe needs `speed` with "
            "phase_s, the seconds of one phase, and the phases to time"
        )
    return context.case.speed


def _measure_phases(
    context: ProbeContext, session: Any, batch: tuple[Array, Array]
) -> tuple[Metrics, Samples, str | None]:
    """Metrics and samples of the chosen phases, and why the timed session is wrong if it is."""
    metrics, samples = _time_phases(context, session, batch)
    failure = _disagreement(context, metrics, batch) if "gradients" in samples else None
    metrics["native_calls"] = float(hasattr(session, "forward"))
    return metrics, samples, failure


def _measure_advance(
    context: ProbeContext, session: Any, batch: tuple[Array, Array]
) -> tuple[Metrics, Samples, str | None]:
    """The same for single steps of a running sequence: the first sequence of the batch."""
    x = np.asarray(batch[0][:1], context.case.model.storage)
    return measure_advance(context, session, x, _settings(context).phase_s)


def _time_phases(
    context: ProbeContext, session: Any, batch: tuple[Array, Array]
) -> tuple[Metrics, Samples]:
    """Metrics and samples of the chosen phases. A backend that does not train has the forward
    phase only, which is then timed whatever the settings choose."""
    settings, training = _settings(context), bool(context.supports.training)
    x, y = (session.put(array) for array in batch)
    session.wait()
    metrics: Metrics = {}
    samples: Samples = {}
    for name, call in phases(session, x, y, training):
        if name not in settings.phases and training:
            continue
        metrics[f"first_{name}_s"] = clock(call, session, 1)
        _check_call(name, call, session, batch, context.case.model.dtype)
        steady = _samples(call, session, settings.phase_s, context.turns)
        samples[name] = steady.seconds
        metrics[f"{name}_calls_a_sample"] = steady.calls
        metrics[f"{name}_warmed_up"] = float(steady.warmed_up)
        if steady.block:
            metrics[f"{name}_block"] = steady.block
        if name == "gradients":
            metrics |= _loss_and_norm(session, x, y)
    return metrics, samples


def _check_call(
    name: str, call: Callable[[], Any], session: Any, batch: tuple[Array, Array], dtype: str
) -> None:
    """Raise where a clock around the call of a phase would not see the work of that phase."""
    x, y = (session.put(array) for array in batch)
    if name == "step":
        check_wait(call, session)
    elif name == "forward" and hasattr(session, "forward"):
        check_forward(session.forward, session, x, dtype)
        check_repeats("forward", session.forward, session, batch[:1])
    elif name == "gradients" and hasattr(session, "backward"):
        check_backward(session.backward, session, x, y, dtype)
        check_repeats("backward", session.backward, session, batch)


def _samples(
    call: Callable[[], Any], session: Any, budget_s: float, turns: Turns | None
) -> SteadySamples:
    if turns:
        return samples_in_turns(call, session, budget_s, turns)
    return steady_samples(call, session, budget_s)


def phases(session: Any, x: Any, y: Any, training: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The name and the call of each phase. Calls leave their results on the device where the
    adapter has such methods."""
    forward = getattr(session, "forward", session.predict)
    yield "forward", lambda: forward(x)
    if not training:
        return
    backward = getattr(session, "backward", session.gradients)
    yield "gradients", lambda: backward(x, y)
    yield "step", lambda: session.step(x, y)


def _loss_and_norm(session: Any, x: Any, y: Any) -> Metrics:
    """The loss and the norm of all parameter gradients at the weights that the session has."""
    loss, gradients = session.gradients(x, y)
    del gradients["x"]
    return {"first_loss": loss, "first_gradient_norm": norm(*gradients.values())}


def _disagreement(
    context: ProbeContext, timed: Mapping[str, float | None], batch: tuple[Array, Array]
) -> str | None:
    """How the timed session, on all its threads, differs from the reference; None if it agrees."""
    model = context.case.model
    wide = replace(model, dtype="float64")
    reference = context.open_reference(wide, context.weights(model))
    for name, value in _loss_and_norm(reference, *batch).items():
        error = relative_error(np.asarray(timed[name]), np.asarray(value))
        if not error <= TIMED_TOLERANCE[model.dtype]:
            return f"the timed session differs from the reference: {name} differs by {error:.2g}"
    return None


def product_rate(dtype: str) -> float:
    """GFLOP/s of NumPy's product of two square matrices on this process's threads. A comparison of
    stored runs tells by it whether the machine changed."""
    a = np.random.default_rng(0).standard_normal((PRODUCT_SIZE, PRODUCT_SIZE)).astype(dtype)
    out, seconds = np.empty_like(a), []
    for _ in range(PRODUCT_REPEATS):
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        seconds.append(time.perf_counter() - start)
    return 2 * PRODUCT_SIZE**3 / min(seconds) / 1e9
