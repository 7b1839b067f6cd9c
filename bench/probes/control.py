"""The control probe: a fixed kernel that no backend can change, timed beside the launches of a
comparison. If its time differs between the two sides, the machine changed and not the code."""

import time

import numpy as np

from bench.probes.context import Outcome

BATCH, HIDDEN, STEPS = 64, 128, 100
SAMPLES, WARM_UP = 15, 3


def control() -> Outcome:
    """Seconds of `SAMPLES` runs of a small recurrence in NumPy: products and tanh."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((HIDDEN, HIDDEN), dtype=np.float32) / HIDDEN**0.5
    initial_state = rng.standard_normal((HIDDEN, BATCH), dtype=np.float32)
    seconds = [_time_recurrence(u, initial_state) for _ in range(WARM_UP + SAMPLES)]
    return Outcome({}, {"control": seconds[WARM_UP:]})


def _time_recurrence(u: np.ndarray, initial_state: np.ndarray) -> float:
    h, product = initial_state.copy(), np.empty_like(initial_state)
    start = time.perf_counter()
    for _ in range(STEPS):
        np.matmul(u, h, out=product)
        np.tanh(product, out=h)
    return time.perf_counter() - start
