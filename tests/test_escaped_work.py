"""An adapter that does not wait for its work is caught, and one that waits is not."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import bench_for

from bench.plan.case import SpeedSettings
from bench.probes.escaped_work import EarlyReturnError, check_wait
from bench.probes.speed import speed

WORK_S = 2e-3


class Device:
    """A session whose updates are done when they are waited for, or else when they are read."""

    def __init__(self, *, waits: bool) -> None:
        self.submitted, self._waits = 0, waits

    def step(self) -> None:
        self.submitted += 1

    def wait(self) -> None:
        if self._waits:
            self.params()

    def params(self) -> None:
        time.sleep(WORK_S * self.submitted)
        self.submitted = 0


def test_device_that_is_waited_for_passes() -> None:
    device = Device(waits=True)
    check_wait(device.step, device)


def test_work_that_wait_leaves_undone_is_an_error() -> None:
    device = Device(waits=False)
    with pytest.raises(EarlyReturnError, match="before the work of an update was done"):
        check_wait(device.step, device)


def test_speed_probe_fails_where_an_update_is_done_later() -> None:
    context = bench_for(probe="speed")
    settings = SpeedSettings(phase_s=0.01, phases=["step"])
    context = replace(context, case=replace(context.case, speed=settings))
    assert speed(context).failure is None
    late = replace(context, backend=SimpleNamespace(open_session=_opened_late(context.backend)))
    with pytest.raises(EarlyReturnError):
        speed(late)


def _opened_late(backend: Any) -> Callable[..., Any]:
    """Opens sessions that do an update when the weights are read."""

    def open_session(*arguments: Any) -> Any:
        session, batches = backend.open_session(*arguments).unchecked, []
        sound_params, sound_step = session.params, session.step

        def params() -> Any:
            while batches:
                sound_step(*batches.pop())
            return sound_params()

        session.step, session.params = lambda *batch: batches.append(batch), params
        return session

    return open_session
