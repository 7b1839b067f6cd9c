"""The phase `advance`: the latency of single steps of a running sequence, at batch 1.

Every call takes a NumPy array and returns one, as a service does, so copies to the device and back
are inside the clock. Every call is timed by itself: back to back, and with a pause before each.
Beside it stands a whole window, the sequence of the task in one call of `predict`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np

from bench.gate.difference import relative_error
from bench.gate.observe import PROVEN_STEPS, advance_steps
from bench.gate.rounding import TIMED_TOLERANCE
from bench.probes.clock import BLOCKS, SAMPLES, garbage_collector_off, warm_up
from bench.probes.context import ProbeContext
from bench.probes.turns import Turns
from bench.spec import Array, Unsupported

CALLS = 2000
"""Calls of `advance` that are timed in a launch, back to back and once more with pauses."""
PAUSE_S = 1e-3
"""The pause before a paced call: input that arrives once in a while finds the caches cold and the
processor asleep."""
WARM_UP_CALLS = 10
"""Calls in a sample of the warm-up."""
DIGITS = 4
"""Significant digits of a stored time."""

Metrics = dict[str, float | None]
Samples = dict[str, list[float]]


def measure_advance(
    context: ProbeContext, session: Any, x: Array, budget_s: float
) -> tuple[Metrics, Samples, str | None]:
    """Metrics and samples of single steps of x `(1, time, inputs)`; and, where the steps differ
    from the reference's, how, in place of their times.

    Raises `Unsupported` for a session without `advance`.
    """
    if not hasattr(session, "advance"):
        raise Unsupported("no advance()")
    first = _seconds(lambda: session.advance(x[:, :1]))
    if failure := _disagreement(context, session, x[:, :PROVEN_STEPS]):
        return {}, {}, failure
    metrics, samples = time_advance(session, x, budget_s, turns=context.turns)
    return {"first_advance_s": first, **metrics}, samples, None


def time_advance(
    session: Any,
    x: Array,
    budget_s: float,
    calls: int = CALLS,
    pause_s: float = PAUSE_S,
    turns: Turns | None = None,
) -> tuple[Metrics, Samples]:
    """Metrics and raw seconds of every call for one sequence x `(1, time, inputs)`.

    The samples are `advance` (back to back), `advance_paced` and `window`. A warm-up and the
    windows may take `budget_s` seconds each. The state is carried from call to call, and the steps
    of x come round again at their end. `calls` is a multiple of `BLOCKS`.
    """
    step, window = _step_call(session, x), lambda: session.predict(x)
    with garbage_collector_off():
        _, settled = warm_up(step, session, WARM_UP_CALLS, budget_s)
        samples = {"advance": list(_seconds_in_turns(step, calls, turns))}
        warm_up(window, session, 1, budget_s)
        samples["window"] = list(_seconds_within(window, budget_s, calls))
        samples["advance_paced"] = list(_paced_seconds(step, calls, pause_s))
    metrics: Metrics = {"advance_warmed_up": float(settled)}
    if turns:
        metrics["advance_block"] = calls // BLOCKS
    for name, seconds in samples.items():
        metrics |= {f"{name}_p{p}_s": float(np.percentile(seconds, p)) for p in (50, 99)}
    return metrics, samples


def _disagreement(context: ProbeContext, session: Any, x: Array) -> str | None:
    """How the session to be timed, on all its threads, differs from the reference over these
    steps; None if it agrees."""
    model = context.case.model
    wide = context.open_reference(replace(model, dtype="float64"), context.weights(model))
    outputs, expected = (advance_steps(s, x) for s in (session, wide))
    error = relative_error(outputs, expected)
    if error <= TIMED_TOLERANCE[model.dtype]:
        return None
    return f"the timed session differs from the reference: advance differs by {error:.2g}"


def _step_call(session: Any, x: Array) -> Callable[[], None]:
    """A call that goes on by one step: the next of x, with the state that the last call left."""
    steps = cycle([np.ascontiguousarray(x[:, t : t + 1]) for t in range(x.shape[1])])
    state: Any = None

    def step() -> None:
        nonlocal state
        _, state = session.advance(next(steps), state)

    return step


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return float(f"{time.perf_counter() - start:.{DIGITS}g}")


def _seconds_in_turns(call: Callable[[], Any], calls: int, turns: Turns | None) -> Iterator[float]:
    """Seconds of every call, back to back; in a comparison the other side has its turn before each
    of `BLOCKS` blocks of calls."""
    for number in range(calls):
        if turns and number % (calls // BLOCKS) == 0:
            turns.pass_on()
        yield _seconds(call)


def _paced_seconds(call: Callable[[], Any], calls: int, pause_s: float) -> Iterator[float]:
    for _ in range(calls):
        time.sleep(pause_s)
        yield _seconds(call)


def _seconds_within(call: Callable[[], Any], budget_s: float, most: int) -> Iterator[float]:
    """Seconds of as many calls as the budget allows, but not fewer than `SAMPLES`."""
    end = time.perf_counter() + budget_s
    for number in range(most):
        if number >= SAMPLES and time.perf_counter() > end:
            return
        yield _seconds(call)
