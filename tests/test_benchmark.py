"""The cells of a framework under pytest-benchmark:
`pytest tests/test_benchmark.py --benchmark-only --backends torch`.

A round is one call of a steady session in this process. A verdict needs fresh processes in pairs:
use `run_bench.py compare` for that. Without `--benchmark-only` those of the gru run once, as tests.
"""

from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from bench.plan.probes import DEFAULT_PHASES
from bench.probes.speed import phases

SMALL = {"batch": 64, "length": 100, "hidden": 128}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All cells as benchmarks, one of them as a test."""
    only_benchmarks = metafunc.config.getoption("benchmark_only", False)
    metafunc.parametrize("cell", ["rnn", "lstm", "gru"] if only_benchmarks else ["gru"])


@pytest.mark.parametrize("phase", DEFAULT_PHASES)
def test_cell(
    benchmark: Any, backend: str, cell: str, phase: str, pytestconfig: pytest.Config
) -> None:
    size = SMALL if benchmark.enabled else {}
    device = pytestconfig.getoption("--device")
    context = bench_for(
        backend, "speed", task="workload", cell=cell, dtype="float32", device=device, **size
    )
    training = bool(context.supports.training)
    if not training and phase != "forward":
        pytest.skip(f"{backend}: {context.supports.lacks('training')}")
    model = context.case.model
    session = context.open_native(model, context.weights(model), context.case.training)
    x, y = (session.put(array) for array in context.task.sample(context.rng("batches")))
    before = session.predict(x)
    call = dict(phases(session, [(x, y)], training))[phase]

    def call_and_wait() -> None:
        call()
        session.wait()

    benchmark.group = f"{cell} {phase}"
    benchmark.extra_info.update(backend=backend, device=device, path=session.executed_path())
    benchmark(call_and_wait)
    assert np.isfinite(before).all()
    assert np.array_equal(before, session.predict(x)) == (phase != "step")
