"""The floor of a time: what the matrix products alone take that the model cannot avoid.

The products of `bench.probes.products` run at their shapes, in their order, one call after the
other, on the device and the threads of the case, in the process that times the backend. NumPy's
library multiplies on a CPU, and the framework's own wherever the adapter offers it. The results
are not used: nothing but the products takes time, apart from the call of each.
"""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from math import ceil

import numpy as np

from bench.plan.probes import FLOOR_OF, floor_name
from bench.probes.clock import garbage_collector_off
from bench.probes.context import ProbeContext
from bench.probes.products import Product, forward_products, training_products
from bench.spec import Array, Operands, Unsupported

SAMPLES, SAMPLE_S, BUDGET_S = 5, 0.001, 0.06
"""The least number of samples, the seconds of the shortest, and the seconds of all."""
CHOICE_S, CHOICE_TIMES, NEAR = 0.005, 8, 1.5
"""Seconds in which the layouts of a product are tried, multiplications in a row, and the multiple
of the least time up to which a layout is tried again."""
PAUSE_S = 0.03
"""Pause before a library is timed: idle threads of the one that ran last still spin."""
_NOISE = np.random.default_rng(0).standard_normal(4099)

MultiplyAll = Callable[[Sequence[Operands]], Callable[[], None]]
"""Makes a call of these products in a row; raises `Unsupported` where it is not worth trying."""


def floor_samples(context: ProbeContext, timed: Collection[str]) -> dict[str, list[float]]:
    """Seconds of the products of the timed phases, by `floor_name`; each chain and library is
    measured once a process."""
    model, task = context.case.model, context.task
    chains = {"forward": forward_products, "training": training_products}
    samples = {}
    with garbage_collector_off():
        for source, multiply in _libraries(context).items():
            for chain in dict.fromkeys(FLOOR_OF[phase] for phase in timed):
                products = chains[chain](model, task.batch, task.time)
                samples[floor_name(chain, source)] = context.cached(
                    f"floor {source} {context.case.device} {model.dtype} {products}",
                    partial(_measure, products, multiply, model.storage, context.case.device),
                )
    return {name: seconds for name, seconds in samples.items() if seconds}


def _libraries(context: ProbeContext) -> dict[str, MultiplyAll]:
    """The libraries at hand, by source."""
    case, libraries = context.case, dict[str, MultiplyAll]()
    # NumPy's comes last, because its idle threads spin for an eighth of a second.
    if own := getattr(context.backend, "matrix_products", None):
        libraries["own"] = partial(own, dtype=case.model.dtype, device=case.device)
    if case.device == "cpu" and case.model.dtype == case.model.storage:
        libraries["numpy"] = multiply_in_numpy
    return libraries


def _measure(
    products: Sequence[Product], multiply: MultiplyAll, dtype: str, device: str
) -> list[float]:
    """Raw seconds of all products in their order; none where there is no such library."""
    time.sleep(PAUSE_S)
    try:
        return _samples(product_chain(products, multiply, dtype, device))
    except Unsupported:
        return []


def product_chain(
    products: Sequence[Product], multiply: MultiplyAll, dtype: str, device: str = "cpu"
) -> Callable[[], None]:
    """A call of all products in their order.

    On a CPU each product is laid out as is fastest. Other devices choose the kernel themselves.
    """
    operands = [
        fastest(candidates, multiply) if device == "cpu" else candidates[0]
        for candidates in (layouts(product, dtype) for product in products)
    ]
    return multiply(operands)


def layouts(product: Product, dtype: str) -> list[Operands]:
    """The eight layouts of a product: itself and its transpose, with each operand as it lies in
    memory or as a transposed view."""
    rows, inner, columns, times = product
    return [
        Operands(a, b, times)
        for m, n in ((rows, columns), (columns, rows))
        for a in (_matrix(m, inner, dtype), _matrix(inner, m, dtype).T)
        for b in (_matrix(inner, n, dtype), _matrix(n, inner, dtype).T)
    ]


def fastest(candidates: Sequence[Operands], multiply: MultiplyAll) -> Operands:
    """The candidate with the least time. All are tried in turns, and those again that are near the
    least so far."""
    calls = [multiply([c._replace(times=min(c.times, CHOICE_TIMES))]) for c in candidates]
    least, end = [_seconds(call) for call in calls], time.perf_counter() + CHOICE_S
    while True:
        for number, call in enumerate(calls):
            if least[number] <= NEAR * min(least):
                least[number] = min(least[number], _seconds(call))
        if time.perf_counter() > end:
            return candidates[least.index(min(least))]


def multiply_in_numpy(operands: Sequence[Operands]) -> Callable[[], None]:
    """A call of these products by the library that NumPy was linked with."""
    entries = [(a, b, np.empty((len(a), b.shape[1]), a.dtype), times) for a, b, times in operands]

    def multiply() -> None:
        for a, b, out, times in entries:
            for _ in range(times):
                np.matmul(a, b, out=out)

    return multiply


def _samples(call: Callable[[], None]) -> list[float]:
    """Seconds of one call for each sample, after a call that warms up."""
    samples: list[float] = []
    call()
    calls, end = max(1, ceil(SAMPLE_S / _seconds(call))), time.perf_counter() + BUDGET_S
    while len(samples) < SAMPLES or time.perf_counter() < end:
        samples.append(_seconds(call, calls))
    return samples


def _seconds(call: Callable[[], None], calls: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def _matrix(rows: int, columns: int, dtype: str) -> Array:
    """Numbers of usual size: denormal ones would be slow."""
    return np.resize(_NOISE.astype(dtype), (rows, columns))
