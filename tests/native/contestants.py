"""Everyone who is timed, by name: the sessions of the adapters, and what is hand-written."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

import backends
from bench.probes.speed import clock
from bench.spec import Unavailable, Unsupported

from . import jax_native, keras_native, onnx_native, tensorflow_native, torch_native
from .problem import Call, Problem, flops, problem

SAMPLE_S = 0.02
"""A sample is of as many calls as last this long."""
AGREEMENT = 0.1
WARM_UP_S = 0.4
PROOF = 2
"""Steps whose losses must agree: the second shows what the first has changed."""
PRODUCT = 2048


def adapter(name: str, phase: str, given: Problem) -> Call:
    """A call of the adapter's session, whose arrays are there already."""
    session = backends.load(name).open_session(
        given.spec, given.weights, given.device, given.training
    )
    x, y = session.put(given.x), session.put(given.y)
    if phase == "forward":
        forward = session.forward
        return Call(lambda: forward(x), session.wait, lambda: _mse(forward(x), given.y))
    if phase == "gradients":
        backward = session.backward
        return Call(lambda: backward(x, y), session.wait, lambda: float(backward(x, y)[0]))
    step = session.step
    return Call(lambda: step(x, y), session.wait, lambda: float(step(x, y)))


def _mse(prediction: Any, y: Any) -> float:
    return float(np.square(np.asarray(prediction) - y).mean())


def matmul(given: Problem) -> Call:
    """A product of matrices so large that nothing but the products takes time."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((PRODUCT, PRODUCT), np.float32) for _ in range(2))
    out = np.empty_like(a)
    return Call(lambda: np.matmul(a, b, out=out), lambda: None, None)


NATIVE: Mapping[str, Callable[[Problem], Call]] = {
    "native torch": torch_native.step,
    "native tensorflow": tensorflow_native.step,
    "native jax-autodiff": jax_native.plain,
    "native flax": jax_native.flax,
    "native equinox": jax_native.equinox,
    "native onnxruntime": onnx_native.forward,
    "Keras fit": keras_native.fit,
    "np.matmul": matmul,
}


@dataclass
class Contestant:
    call: Call
    losses: list[float]
    flop: int
    proof_s: float
    """What the last call of the proof took, the first one having compiled it."""
    calls: int = 1

    def warm(self) -> None:
        """Until two samples agree within 10%, or for 0.4 s, which the proof may have taken."""
        end, before = time.perf_counter() + WARM_UP_S - self.proof_s, 0.0
        while time.perf_counter() < end:
            now = self.seconds()
            if abs(now - before) <= AGREEMENT * now:
                return
            self.calls = max(1, ceil(SAMPLE_S / (now * self.call.steps)))
            before = now

    def seconds(self) -> float:
        """A sample: seconds for a step, what is left to be waited for included."""
        return clock(self.call.run, self.call, self.calls) / (self.calls * self.call.steps)


def contestant(name: str, phase: str, given: Problem) -> Contestant:
    call = NATIVE[name](given) if name in NATIVE else adapter(name, phase, given)
    losses, began = [], time.perf_counter()
    for _ in range(PROOF if call.loss else 0):
        began = time.perf_counter()
        losses.append(call.loss())
    call.wait()
    flop = 2 * PRODUCT**3 if name == "np.matmul" else flops(given)
    return Contestant(call, losses, flop, time.perf_counter() - began)


@dataclass
class Ring:
    """The contestants of one process at one model, and what answers the questions about them."""

    threads: int
    device: str = "cpu"
    inside: dict[tuple[str, str], Contestant] = field(default_factory=dict)

    def open(self, shape: str, cell: str, entries: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Everyone opened, compiled and proven; Python's collector is off from here on."""
        given = problem(shape, cell, self.threads, self.device)
        opened = [self._opened(name, phase, given) for name, phase in entries]
        gc.collect()
        gc.disable()
        return opened

    def _opened(self, name: str, phase: str, given: Problem) -> dict[str, Any]:
        known: dict[str, Any] = {"losses": [], "flop": 0, "error": None}
        try:
            found = self.inside[name, phase] = contestant(name, phase, given)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            return {**known, "error": reason(error)}
        return {**known, "losses": found.losses, "flop": found.flop}

    def warm(self, name: str, phase: str) -> None:
        self.inside[name, phase].warm()

    def sample(self, name: str, phase: str) -> float:
        return self.inside[name, phase].seconds()

    def close(self) -> None:
        self.inside.clear()
        gc.enable()
        gc.collect()


def reason(error: Exception) -> str:
    if isinstance(error, Unavailable):
        return "not there"
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, Unsupported) else f"{type(error).__name__}: {text}"
