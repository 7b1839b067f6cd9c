"""The clock of the speed probe: warm up, then take samples of steady calls."""

import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

from bench.probes.turns import Turns

SAMPLES = 12
"""The least number of samples; at most `MAX_SAMPLES` are taken within the budget."""
MAX_SAMPLES = 8 * SAMPLES
SAMPLE_S = 0.005
"""Seconds of the shortest sample: a short call is repeated until it takes as long."""
BLOCKS, BLOCK_S = 20, 0.025
"""Turns in which a phase is sampled, and the seconds of one turn: short against the seconds in
which a machine's speed drifts, long against the first calls of a turn, which find cold caches."""
WINDOW = 5
"""Samples in a window of the warm-up."""
AGREEMENT = 0.05
"""The warm-up is over when the medians of two successive windows differ by less."""


class SteadySamples(NamedTuple):
    """Seconds of one call for each sample, the calls in a sample, whether the warm-up settled
    before its budget was spent, and the samples in a block, where they were taken in turns."""

    seconds: list[float]
    calls: int
    warmed_up: bool
    block: int | None = None


def clock(call: Callable[[], Any], session: Any, calls: int) -> float:
    """Seconds for this number of calls, until the device has finished them."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    session.wait()
    return time.perf_counter() - start


def steady_samples(call: Callable[[], Any], session: Any, budget_s: float) -> SteadySamples:
    """Warm up, then take samples of at least `SAMPLE_S` each.

    The warm-up ends when the medians of two successive windows agree, or after `budget_s`
    seconds. Sampling ends after `budget_s` more, but not before `SAMPLES` samples.
    """
    samples: list[float] = []
    with garbage_collector_off():
        last_window, warmed_up = _warm_up_unknown_call(call, session, budget_s)
        calls = _calls_per_sample(last_window)
        end = time.perf_counter() + budget_s
        while len(samples) < SAMPLES or (time.perf_counter() < end and len(samples) < MAX_SAMPLES):
            samples.append(clock(call, session, calls) / calls)
    return SteadySamples(samples, calls, warmed_up)


def samples_in_turns(
    call: Callable[[], Any], session: Any, budget_s: float, turns: Turns
) -> SteadySamples:
    """Warm up, then take `BLOCKS` blocks of samples, with a turn of the other side before each."""
    samples: list[float] = []
    with garbage_collector_off():
        last_window, warmed_up = _warm_up_unknown_call(call, session, budget_s)
        calls = _calls_per_sample(last_window)
        block = max(1, round(BLOCK_S / (calls * last_window)))
        for _ in range(BLOCKS):
            turns.pass_on()
            samples += [clock(call, session, calls) / calls for _ in range(block)]
    return SteadySamples(samples, calls, warmed_up, block)


def _warm_up_unknown_call(
    call: Callable[[], Any], session: Any, budget_s: float
) -> tuple[float, bool]:
    """Like `warm_up`, for a call whose time is not known yet: one call gives its magnitude."""
    once = clock(call, session, 1)
    return warm_up(call, session, _calls_per_sample(max(once, 1e-7)), budget_s)


def warm_up(
    call: Callable[[], Any], session: Any, calls: int, budget_s: float
) -> tuple[float, bool]:
    """Call until the medians of two successive windows agree, or for `budget_s` seconds: return the
    median seconds a call in the last window, and whether the last two windows agree.

    A window has `WINDOW` samples of `calls` calls.
    """
    end = time.perf_counter() + budget_s
    windows, settled = [_window_median(call, session, calls)], False
    while not settled and (len(windows) < 2 or time.perf_counter() < end):
        windows.append(_window_median(call, session, calls))
        settled = abs(windows[-1] / windows[-2] - 1) < AGREEMENT
    return windows[-1], settled


def _window_median(call: Callable[[], Any], session: Any, calls: int) -> float:
    return median(clock(call, session, calls) / calls for _ in range(WINDOW))


def _calls_per_sample(seconds: float) -> int:
    return max(1, math.ceil(SAMPLE_S / seconds))


@contextmanager
def garbage_collector_off() -> Iterator[None]:
    """Python's garbage collector is off inside, and collects once before."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
