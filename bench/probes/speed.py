"""The speed probe: each phase apart and warmed up, copies outside the clock, the wait inside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from bench.plan.case import SpeedSettings
from bench.plan.probes import ADVANCE, FLOOR_OF
from bench.probes.clock import SteadySamples, clock, samples_in_turns, steady_samples
from bench.probes.context import Batch, Outcome, ProbeContext
from bench.probes.escaped_work import check_wait
from bench.probes.first_results import FirstUpdate, disagreement, loss_and_norm
from bench.probes.floor import floor_samples
from bench.probes.latency import measure_advance
from bench.probes.products import operations, training_products
from bench.probes.timed_results import check_backward, check_forward, check_loss, check_repeats
from bench.probes.turns import Turns
from bench.records.conditions import LoadCounters, gpu_conditions
from bench.spec import Array

BATCHES = 4
"""Batches that take turns in the timed calls."""
PRODUCT_SIZE, PRODUCT_REPEATS = 1536, 6
"""Rows of the square matrices whose product is the control of stored runs, and how often it is
timed."""

Metrics = dict[str, float | None]
Samples = dict[str, list[float]]


def speed(context: ProbeContext) -> Outcome:
    """Seconds for opening a session, for the first call of each phase (compilation included) and,
    as raw samples, for one steady call of each phase and for its floor.

    The first loss, gradient norm and update of the timed session, or its first outputs where single
    steps are timed (`latency`), are compared with the reference. Raises ValueError for a case
    without speed settings.
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
    metrics, samples, update = _time_phases(context, session, batch)
    failure = disagreement(context, metrics, update, batch)
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
) -> tuple[Metrics, Samples, FirstUpdate | None]:
    """Metrics and samples of the chosen phases, and the first update if updates are timed. A
    backend that does not train has the forward phase only, which is then timed whatever the
    settings choose."""
    settings, training = _settings(context), bool(context.supports.training)
    batches = [tuple(map(session.put, pair)) for pair in (batch, *_other_batches(context))]
    session.wait()
    metrics: Metrics = {}
    samples: Samples = {}
    update = None
    for name, call in phases(session, batches, training):
        if name not in settings.phases and training:
            continue
        results: list[Any] = []
        metrics[f"first_{name}_s"] = clock(lambda: results.append(call()), session, 1)  # noqa: B023
        if name == "step":
            update = FirstUpdate(float(results[0]), session.params())
        _check_call(name, call, session, batch, context.case.model.dtype)
        steady = _samples(call, session, settings.phase_s, context.turns)
        samples[name] = steady.seconds
        metrics[f"{name}_calls_a_sample"] = steady.calls
        metrics[f"{name}_warmed_up"] = float(steady.warmed_up)
        if steady.block:
            metrics[f"{name}_block"] = steady.block
        if name == "gradients":
            metrics |= loss_and_norm(*session.gradients(*batches[0]))
    return metrics, samples, update


def _check_call(
    name: str, call: Callable[[], Any], session: Any, batch: tuple[Array, Array], dtype: str
) -> None:
    """Raise where a clock around the call of a phase would not see the work of that phase."""
    x, y = (session.put(array) for array in batch)
    if name == "step":
        check_wait(call, session)
        check_loss(call, session)
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


def phases(
    session: Any, batches: Sequence[tuple[Any, ...]], training: bool
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The name and the call of each phase. Batches `(x, y)` on the device take turns, from the
    first on in each phase. Calls leave their results on the device where the adapter has such
    methods."""
    forward = getattr(session, "forward", session.predict)
    yield "forward", _in_turns(forward, [(x,) for x, _ in batches])
    if not training:
        return
    yield "gradients", _in_turns(getattr(session, "backward", session.gradients), batches)
    yield "step", _in_turns(session.step, batches)


def _in_turns(call: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Callable[[], Any]:
    turns = cycle(arguments)
    return lambda: call(*next(turns))


def _other_batches(context: ProbeContext) -> list[Batch]:
    """The batches that follow the first. What an adapter prepares for an array it prepares in
    training for each batch, so the calls that are timed must not all have the same."""
    rng = context.rng("batches")
    return [context.batch(rng) for _ in range(BATCHES)][1:]


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
