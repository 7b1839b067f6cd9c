"""Batches take turns in the timed calls, so that work done once for an array is in the time."""

import time
from dataclasses import replace
from typing import Any

import pytest
from conftest import bench_for
from test_gate_step_first import Counting, adapter

from bench.plan.case import SpeedSettings
from bench.probes.speed import BATCHES, phases, speed

WORK_S = 5e-3


class PreparesOnce(Counting):
    """Prepares each x that it did not have in the last call."""

    x: Any = None

    def prepare(self, x: Any) -> None:
        if self.x is not x:
            time.sleep(WORK_S)
            self.x = x

    def update(self, x: Any, y: Any) -> Any:
        self.prepare(x)
        return self.session.step(x, y)

    def forward(self, x: Any) -> Any:
        self.prepare(x)
        return self.session.predict(x)


class Prepares(PreparesOnce):
    """Prepares x in every call."""

    def prepare(self, x: Any) -> None:
        time.sleep(WORK_S)


@pytest.mark.parametrize("phase", ["forward", "step"])
def test_work_for_each_array_is_in_the_time(phase: str) -> None:
    def fastest(session: type) -> float:
        context = bench_for(adapter(session), "speed")
        settings = SpeedSettings(phase_s=0.05, phases=[phase])
        outcome = speed(replace(context, case=replace(context.case, speed=settings)))
        assert outcome.failure is None
        return min(outcome.samples[phase])

    assert fastest(PreparesOnce) > 0.9 * fastest(Prepares)


def test_each_phase_begins_with_the_first_batch_and_no_batch_follows_itself() -> None:
    calls: list[Any] = []
    session: Any = Recorder(calls)
    batches = [(k, -k) for k in range(BATCHES)]
    for _, call in phases(session, batches, training=True):
        calls.clear()
        for _ in range(BATCHES + 1):
            call()
        assert [arguments[0] for arguments in calls] == [*range(BATCHES), 0]


class Recorder:
    """Keeps the arguments of every call."""

    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def predict(self, *arguments: Any) -> None:
        self.calls.append(arguments)

    gradients = step = predict
