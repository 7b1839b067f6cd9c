"""The speed probe fails where the timed session's first update is not the reference's."""

from dataclasses import replace
from typing import Any

import pytest
from conftest import bench_for
from test_gate_step_first import Counting, Unprepared, adapter

from bench.plan.case import SpeedSettings
from bench.probes.speed import speed
from studies import faulty_backends

ONLY_STEP = SpeedSettings(phase_s=0.01, phases=["step"])


def failure_of(backend: Any, settings: SpeedSettings = ONLY_STEP, **options: Any) -> str | None:
    context = bench_for(backend, "speed", **options)
    return speed(replace(context, case=replace(context.case, speed=settings))).failure


class DoublesRate(Counting):
    """Each update is twice as long."""

    def update(self, *batch: Any) -> Any:
        self.session.step(*batch)
        return self.session.step(*batch)


class LosesLoss(Counting):
    """The loss that `step` returns is not that of the batch."""

    def update(self, *batch: Any) -> Any:
        return 1.01 * self.session.step(*batch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("session", [Unprepared, DoublesRate, LosesLoss])
def test_wrong_first_update_fails(session: type, optimiser: str, dtype: str) -> None:
    failure = failure_of(adapter(session), optimiser=optimiser, dtype=dtype)
    assert failure is not None
    assert failure.startswith("the first update of the timed session differs from the reference: ")


def test_weights_left_out_of_the_update_fail() -> None:
    rate = faulty_backends.with_training(learning_rate=1e-9)
    failure = failure_of(rate)
    assert failure is not None
    assert "the first update" in failure


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("phases", [["step"], ["forward", "gradients", "step"]])
def test_first_update_of_each_backend_is_the_reference_s(
    phases: list[str], optimiser: str, backend: str
) -> None:
    settings = SpeedSettings(phase_s=0.01, phases=phases)
    options = {"cell": "gru", "dtype": "float32", "optimiser": optimiser, "batch": 3, "length": 4}
    assert failure_of(backend, settings, **options) is None
