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


class LateSession:
    """Does its updates when the weights or a loss are read."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._batches: list[Any] = []
        self._losses: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def step(self, *batch: Any) -> "LateLoss":
        self._batches.append(batch)
        return LateLoss(self, len(self._losses) + len(self._batches) - 1)

    def params(self) -> Any:
        self.catch_up()
        return self._session.params()

    def catch_up(self) -> list[float]:
        """Do all updates; return their losses."""
        self._losses += [float(self._session.step(*batch)) for batch in self._batches]
        self._batches.clear()
        return self._losses


class LateLoss(SimpleNamespace):
    def __init__(self, session: LateSession, number: int) -> None:
        super().__init__(session=session, number=number)

    def __float__(self) -> float:
        return float(self.session.catch_up()[self.number])


def _opened_late(backend: Any) -> Callable[..., Any]:
    """Opens sessions that do an update when the weights or its loss are read."""

    def open_session(*arguments: Any) -> Any:
        return LateSession(backend.open_session(*arguments).unchecked)

    return open_session
