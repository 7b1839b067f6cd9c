"""A backend with an injected fault, made from the backend that `INJECT_INTO` names (NumPy's unless
set otherwise).

`INJECT="work 0.1"` makes each update take a tenth longer by real work; the other names in `FAULTS`
are one fault each. A comparison gives its two sides different values.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import backends
from bench.spec import ModelSpec, Params, Supports, Training

INJECT_INTO: Any = backends.load(os.environ.get("INJECT_INTO", "numpy"))
REQUIRES, devices = INJECT_INTO.REQUIRES, INJECT_INTO.devices
SUPPORTS = getattr(INJECT_INTO, "SUPPORTS", Supports())
CALIBRATION_STEPS, PRODUCTS = 9, 20
"""Updates that are timed to find out how much work is needed, and the products in one timing."""
FIRST_STEPS = 20
"""Updates after which a session with a late fault begins to fail."""


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Any:
    """A session with the fault that `INJECT` names."""
    fault, *size = os.environ.get("INJECT", "nothing").split()
    return FAULTS[fault](spec, dict(params), device, training, *map(float, size))


def nothing(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """The session without a fault."""
    return INJECT_INTO.open_session(spec, params, device, training)


class WrappedSession:
    """A session that forwards everything to the one inside."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class SlowerSession(WrappedSession):
    """Each update takes a share longer, by matrix products. Their number is measured in this
    process during the first updates, which take no longer."""

    def __init__(self, session: Any, share: float) -> None:
        super().__init__(session)
        self._share, self._products = share, 0
        self._step_seconds: list[float] = []
        self._a = np.random.default_rng(0).standard_normal((48, 48), dtype=np.float32)
        self._out = np.empty_like(self._a)

    def step(self, x: Any, y: Any, *lengths: Any) -> Any:
        start = time.perf_counter()
        loss = self._session.step(x, y, *lengths)
        if self._products:
            self._session.wait()
            self._work(self._products)
        elif len(self._step_seconds) < CALIBRATION_STEPS:
            self._session.wait()
            self._step_seconds.append(time.perf_counter() - start)
        else:
            product_s = min(self._timed_work() for _ in self._step_seconds) / PRODUCTS
            self._products = max(1, round(self._share * min(self._step_seconds) / product_s))
        return loss

    def _timed_work(self) -> float:
        start = time.perf_counter()
        self._work(PRODUCTS)
        return time.perf_counter() - start

    def _work(self, products: int) -> None:
        for _ in range(products):
            np.matmul(self._a, self._a, out=self._out)


def work(spec: ModelSpec, params: Params, device: str, training: Training, share: float) -> Any:
    """Each update takes this share longer."""
    return SlowerSession(nothing(spec, params, device, training), share)


class LazySession(WrappedSession):
    """After the first updates it leaves out every second one."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self._steps = 0

    def step(self, x: Any, y: Any, *lengths: Any) -> Any:
        self._steps += 1
        if self._steps > FIRST_STEPS and self._steps % 2:
            return self._session.gradients(x, y, *lengths)[0]
        return self._session.step(x, y, *lengths)


class DivergingSession(WrappedSession):
    """After the first updates the loss is NaN."""

    _steps = 0

    def step(self, x: Any, y: Any, *lengths: Any) -> Any:
        self._steps += 1
        loss = self._session.step(x, y, *lengths)
        return float("nan") if self._steps > FIRST_STEPS else loss


class WrongGradientSession(WrappedSession):
    """One gradient is reported half as large again; the updates use the right one."""

    def gradients(self, x: Any, y: Any, *lengths: Any) -> Any:
        loss, gradients = self._session.gradients(x, y, *lengths)
        return loss, {**gradients, "layers.0.forward.u": 1.5 * gradients["layers.0.forward.u"]}


def forget_bias(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """One is added to the second block of the gate biases, which is the LSTM's forget gate. The
    rnn has only one block."""
    bias = np.array(params["layers.0.forward.b"])
    bias[spec.hidden : 2 * spec.hidden] += 1
    bias[: spec.hidden] += spec.cell == "rnn"
    return nothing(spec, {**params, "layers.0.forward.b": bias}, device, training)


def half_rate(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """The learning rate is halved."""
    slow = replace(training, learning_rate=training.learning_rate / 2)
    return nothing(spec, params, device, slow)


def clipped_too_early(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """Clipping happens before there are gradients, so nothing is clipped."""
    return nothing(spec, params, device, replace(training, clip_norm=None))


def fails(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
    """No session opens."""
    raise RuntimeError("the head does not open")


FAULTS: dict[str, Callable[..., Any]] = {
    "nothing": nothing,
    "work": work,
    "lazy": lambda *arguments: LazySession(nothing(*arguments)),
    "diverging": lambda *arguments: DivergingSession(nothing(*arguments)),
    "gradient": lambda *arguments: WrongGradientSession(nothing(*arguments)),
    "forget_bias": forget_bias,
    "half_rate": half_rate,
    "clipped_too_early": clipped_too_early,
    "fails": fails,
}
