"""The control probe: a fixed kernel that no backend can change, timed beside the launches of a
comparison. If its time differs between the two sides, the machine changed and not the code."""

import time

import numpy as np

from bench.probes.context import Outcome
from bench.probes.turns import Turns

BATCH, HIDDEN, STEPS = 64, 128, 100
WARM_UP, BLOCKS, BLOCK = 3, 10, 2
"""Runs before the clock, turns, and runs in a turn."""


def control(turns: Turns | None = None) -> Outcome:
    """Seconds of runs of a small recurrence in NumPy: products and tanh. In blocks, with a turn of
    the other side before each, where there is one."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((HIDDEN, HIDDEN), dtype=np.float32) / HIDDEN**0.5
    initial_state = rng.standard_normal((HIDDEN, BATCH), dtype=np.float32)
    for _ in range(WARM_UP):
        _time_recurrence(u, initial_state)
    seconds = []
    for _ in range(BLOCKS):
        if turns:
            turns.pass_on()
        seconds += [_time_recurrence(u, initial_state) for _ in range(BLOCK)]
    return Outcome({"control_block": BLOCK} if turns else {}, {"control": seconds})


def _time_recurrence(u: np.ndarray, initial_state: np.ndarray) -> float:
    h, product = initial_state.copy(), np.empty_like(initial_state)
    start = time.perf_counter()
    for _ in range(STEPS):
        np.matmul(u, h, out=product)
        np.tanh(product, out=h)
    return time.perf_counter() - start
