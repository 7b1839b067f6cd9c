"""Find out how much extra work makes an update a given share slower.

A first estimate comes from one session, in which blocks with and without the work alternate; the
ratio is the median over blocks of the ratio of their fastest samples. Processes differ by more than
such a session shows, so that trials with this work then correct it. The effect is proportional to
the number of products: every head of a trial tells something about all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from backends import numpy_backend
from bench.compare.decision import log_ratios
from bench.plan.case import Case
from bench.probes.clock import clock
from bench.weights import initial_weights
from studies.guard_rates.injected_backend import SlowerSession
from studies.guard_rates.pair_ratios import Launch, guard_ratio

TARGET = 0.2
"""The effect at which a product is measured."""
BLOCKS, SAMPLES, SAMPLE_S = 200, 4, 0.005
FIRST_PRODUCTS = 100


def products_for(case: Case, task: Any, effects: Mapping[str, float]) -> dict[str, int]:
    """By the name of an effect, the products that make an update of this model slower by it."""
    session, step = _session_and_step(case, task)
    products = FIRST_PRODUCTS
    with threadpool_limits(1):
        for _ in range(3):
            effect = measured_effect(session, step, products)
            products = max(1, round(products * TARGET / max(effect, 0.01)))
        share = measured_effect(session, step, products) / products
    return {name: round(effect / share) for name, effect in effects.items()}


def corrected_products(
    products: Mapping[str, int],
    effects: Mapping[str, float],
    trials: Sequence[Mapping[str, Launch]],
    unchanged: Sequence[str],
) -> dict[str, int]:
    """The products of one model, corrected by trials that were made with them: in each its launches
    by head, among them several of unchanged code.

    The effect of one product is the slope, by least squares through the origin, of the mean effects
    that the pairs measured.
    """
    counts = np.array([products[name] for name in effects])
    measured = [
        np.expm1(np.mean([guard_ratio(t[same], t[name]) for t in trials for same in unchanged]))
        for name in effects
    ]
    share = float(counts @ measured / (counts @ counts))
    return {name: round(effect / share) for name, effect in effects.items()}


def measured_effect(session: SlowerSession, step: Callable[[], Any], products: int) -> float:
    """The share by which an update with these products is slower than one without."""
    once = _block(session, step, 0, 1)
    calls = max(1, round(SAMPLE_S / once))
    plain, slower = [], []
    for _ in range(BLOCKS):
        plain.append(_block(session, step, 0, calls))
        slower.append(_block(session, step, products, calls))
    return float(np.expm1(np.median(log_ratios(plain, slower))))


def _block(session: SlowerSession, step: Callable[[], Any], products: int, calls: int) -> float:
    """Seconds of an update: the fastest of a few samples."""
    session.products = products
    return min(clock(step, session, calls) / calls for _ in range(SAMPLES))


def _session_and_step(case: Case, task: Any) -> tuple[SlowerSession, Callable[[], Any]]:
    rng = np.random.default_rng(0)
    weights = initial_weights(case.model, rng)
    session = SlowerSession(
        numpy_backend.open_session(case.model, weights, "cpu", case.training), 0
    )
    x, y = map(session.put, task.sample(rng))
    return session, lambda: session.step(x, y)
