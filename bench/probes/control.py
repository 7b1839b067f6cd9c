"""The control probe: a fixed kernel that no backend can change, timed beside the launches of a
comparison. If its time changes between the sides, the machine changed."""

import time

import numpy as np

from bench.probes.context import Outcome

BATCH, HIDDEN, STEPS = 64, 128, 100
SAMPLES, WARM_UP = 15, 3


def control() -> Outcome:
    """Seconds of `SAMPLES` runs of a small recurrence, products and tanh, on NumPy."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((HIDDEN, HIDDEN), dtype=np.float32) / HIDDEN**0.5
    start = rng.standard_normal((HIDDEN, BATCH), dtype=np.float32)
    taken = [_run(u, start) for _ in range(WARM_UP + SAMPLES)]
    return Outcome({}, {"control": taken[WARM_UP:]})


def _run(u: np.ndarray, start: np.ndarray) -> float:
    h, product = start.copy(), np.empty_like(start)
    began = time.perf_counter()
    for _ in range(STEPS):
        np.matmul(u, h, out=product)
        np.tanh(product, out=h)
    return time.perf_counter() - began
