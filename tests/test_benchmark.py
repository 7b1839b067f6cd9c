"""The cells of a framework under pytest-benchmark, for those who live in pytest:
`pytest tests/test_benchmark.py --benchmark-only --backends torch`.

A round is a call of a steady session in this one process: for a verdict, which takes fresh
processes in pairs, there is `run_bench.py compare`. Otherwise each benchmark runs once, as a test.
"""

from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from bench.plan.probes import PHASES
from bench.probes.speed import phases

SMALL = {"batch": 64, "length": 100, "hidden": 128}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("phase", PHASES)
def test_cell(
    benchmark: Any, backend: str, cell: str, phase: str, pytestconfig: pytest.Config
) -> None:
    size = SMALL if benchmark.enabled else {}
    device = pytestconfig.getoption("--device")
    bench = bench_for(
        backend, "speed", task="workload", cell=cell, dtype="float32", device=device, **size
    )
    training = bool(bench.supports.training)
    if not training and phase != "forward":
        pytest.skip(f"{backend}: {bench.supports.lacks('training')}")
    model = bench.case.model
    session = bench.open_native(model, bench.weights(model), bench.case.training)
    x, y = (session.put(part) for part in bench.task.sample(bench.rng("batches")))
    before = session.predict(x)
    call = dict(phases(session, x, y, training))[phase]

    def call_and_wait() -> None:
        call()
        session.wait()

    benchmark.group = f"{cell} {phase}"
    benchmark.extra_info.update(backend=backend, device=device, path=session.executed_path())
    benchmark(call_and_wait)
    assert np.isfinite(before).all()
    assert np.array_equal(before, session.predict(x)) == (phase != "step")
