"""A backend with a fault: the one that `INJECT_INTO` names, NumPy's unless told otherwise.

`INJECT="work 0.1"` makes each update take a tenth longer by real work; the other words of `FAULTS`
are a fault each. A comparison of two sides gives them different words.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import backends
from bench.spec import ModelSpec, Params, Supports, Training

INTO = backends.load(os.environ.get("INJECT_INTO", "numpy"))
REQUIRES, devices = INTO.REQUIRES, INTO.devices
SUPPORTS = getattr(INTO, "SUPPORTS", Supports())
CALIBRATION, UNIT, LATE = 9, 20, 20


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Any:
    what, *size = os.environ.get("INJECT", "nothing").split()
    return FAULTS[what](spec, dict(params), device, training, *map(float, size))


def nothing(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    return INTO.open_session(spec, params, device, training)


class Wrapped:
    """A session that does everything as the one inside does."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class Slower(Wrapped):
    """Each update takes so much longer: by products of matrices, as many as this process needs for
    it. How many is found out from its first updates, which take no longer."""

    def __init__(self, session: Any, share: float) -> None:
        super().__init__(session)
        self._share, self._count = share, 0
        self._own: list[float] = []
        self._a = np.random.default_rng(0).standard_normal((48, 48), dtype=np.float32)
        self._out = np.empty_like(self._a)

    def step(self, x: Any, y: Any, *more: Any) -> Any:
        start = time.perf_counter()
        loss = self._session.step(x, y, *more)
        if self._count:
            self._session.wait()
            self._work(self._count)
        elif len(self._own) < CALIBRATION:
            self._session.wait()
            self._own.append(time.perf_counter() - start)
        else:
            unit = min(self._timed_work() for _ in self._own) / UNIT
            self._count = max(1, round(self._share * min(self._own) / unit))
        return loss

    def _timed_work(self) -> float:
        start = time.perf_counter()
        self._work(UNIT)
        return time.perf_counter() - start

    def _work(self, count: int) -> None:
        for _ in range(count):
            np.matmul(self._a, self._a, out=self._out)


def work(spec: ModelSpec, params: Params, device: str, training: Training, share: float) -> Any:
    return Slower(nothing(spec, params, device, training), share)


class Lazy(Wrapped):
    """After its first updates it leaves out every second one."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self._count = 0

    def step(self, x: Any, y: Any, *more: Any) -> Any:
        self._count += 1
        if self._count > LATE and self._count % 2:
            return self._session.gradients(x, y, *more)[0]
        return self._session.step(x, y, *more)


class Diverging(Wrapped):
    """After its first updates its loss and gradients are not numbers."""

    _count = 0

    def step(self, x: Any, y: Any, *more: Any) -> Any:
        self._count += 1
        loss = self._session.step(x, y, *more)
        return float("nan") if self._count > LATE else loss


class WrongGradient(Wrapped):
    """One gradient is reported, and not used, a half too large."""

    def gradients(self, x: Any, y: Any, *more: Any) -> Any:
        loss, found = self._session.gradients(x, y, *more)
        return loss, {**found, "layers.0.forward.u": 1.5 * found["layers.0.forward.u"]}


def forget_bias(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """The second block of the gates' bias one more than was asked: the lstm's forget gate."""
    bias = np.array(params["layers.0.forward.b"])
    bias[spec.hidden : 2 * spec.hidden] += 1
    bias[: spec.hidden] += spec.cell == "rnn"
    return nothing(spec, {**params, "layers.0.forward.b": bias}, device, training)


def half_rate(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    slow = replace(training, learning_rate=training.learning_rate / 2)
    return nothing(spec, params, device, slow)


def clipped_too_early(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """Gradients are clipped before there are any, which clips nothing."""
    return nothing(spec, params, device, replace(training, clip_norm=None))


def fails(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    raise RuntimeError("the head does not open")


FAULTS: dict[str, Callable[..., Any]] = {
    "nothing": nothing,
    "work": work,
    "lazy": lambda *a: Lazy(nothing(*a)),
    "diverging": lambda *a: Diverging(nothing(*a)),
    "gradient": lambda *a: WrongGradient(nothing(*a)),
    "forget_bias": forget_bias,
    "half_rate": half_rate,
    "clipped_too_early": clipped_too_early,
    "fails": fails,
}
