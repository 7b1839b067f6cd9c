"""A backend with an injected fault, made from the backend that `INJECT_INTO` names (NumPy's unless
set otherwise).

`INJECT="work 1000"` adds this number of small matrix products to each update; the other names in
`FAULTS` are one fault each. A comparison gives its two sides different values.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import backends
from bench.spec import ModelSpec, Params, Supports, Training

INJECT_INTO: Any = backends.load(os.environ.get("INJECT_INTO", "numpy"))
REQUIRES, devices = INJECT_INTO.REQUIRES, INJECT_INTO.devices
SUPPORTS = getattr(INJECT_INTO, "SUPPORTS", Supports())
FIRST_STEPS = 20
"""Updates after which a session with a late fault begins to fail."""


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Any:
    """A session with the fault that `INJECT` names."""
    fault, *arguments = os.environ.get("INJECT", "nothing").split()
    return FAULTS[fault](spec, dict(params), device, training, *arguments)


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
    """Each update does this number of small matrix products besides; their number may be 0."""

    def __init__(self, session: Any, products: int) -> None:
        super().__init__(session)
        self.products = products
        self._a = np.random.default_rng(0).standard_normal((8, 8), dtype=np.float32)
        self._out = np.empty_like(self._a)

    def step(self, x: Any, y: Any, *lengths: Any) -> Any:
        loss = self._session.step(x, y, *lengths)
        self._session.wait()
        for _ in range(self.products):
            np.matmul(self._a, self._a, out=self._out)
        return loss


def work(
    spec: ModelSpec, params: Params, device: str, training: Training, *products: str
) -> SlowerSession:
    """Each update does more work: `100` products in every cell, or `lstm=100 gru=120`, and none in
    a cell that is not named."""
    by_cell = dict(item.split("=") for item in products if "=" in item)
    count = int(by_cell.get(spec.cell, products[0] if not by_cell else "0"))
    return SlowerSession(nothing(spec, params, device, training), count)


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
