"""The candidates that are timed, by name: sessions of the adapters, and hand-written code."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

import backends
from bench.probes.clock import clock
from bench.spec import Unavailable, Unsupported
from studies.native import (
    advance_native,
    jax_native,
    keras_native,
    onnx_native,
    tensorflow_native,
    torch_native,
)
from studies.native.floor import numpy_products, torch_products
from studies.native.problem import Call, Problem, build_problem, flops

SAMPLE_S = 0.02
"""A sample has as many calls as take this long."""
STEADY = 0.1
"""The warm-up ends where two samples differ by less than this share."""
WARM_UP_S = 0.4
PROOF_STEPS = 2
"""Steps whose losses must agree. The second loss depends on the first update."""
MATRIX_SIZE = 2048


def adapter_call(name: str, phase: str, problem: Problem) -> Call:
    """A phase of the adapter's session; its arrays are on the device already."""
    session: Any = (
        backends.load(name)
        .open_session(problem.spec, problem.weights, problem.device, problem.training)
        .unchecked
    )
    if phase == "advance":
        return advance_native.running_call(problem, session.advance)
    x, y = session.put(problem.x), session.put(problem.y)
    if phase == "forward":
        forward = session.forward
        return Call(lambda: forward(x), session.wait, lambda: _mse(forward(x), problem.y))
    if phase == "gradients":
        backward = session.backward
        return Call(lambda: backward(x, y), session.wait, lambda: float(backward(x, y)[0]))
    step = session.step
    return Call(lambda: step(x, y), session.wait, lambda: float(step(x, y)))


def _mse(prediction: Any, y: Any) -> float:
    return float(np.square(np.asarray(prediction) - y).mean())


def matmul(problem: Problem) -> Call:
    """A matrix product so large that nothing but the product takes time."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((MATRIX_SIZE, MATRIX_SIZE), np.float32) for _ in range(2))
    out = np.empty_like(a)
    return Call(lambda: np.matmul(a, b, out=out), lambda: None, None)


NATIVE: Mapping[tuple[str, str], Callable[[Problem], Call]] = {
    ("native torch", "step"): torch_native.step,
    ("native tensorflow", "step"): tensorflow_native.step,
    ("native jax-autodiff", "step"): jax_native.plain,
    ("native flax", "step"): jax_native.flax,
    ("native equinox", "step"): jax_native.equinox,
    ("native onnxruntime", "forward"): onnx_native.forward,
    ("Keras fit", "step"): keras_native.fit,
    ("np.matmul", "step"): matmul,
    ("floor numpy", "step"): numpy_products,
    ("floor torch", "step"): torch_products,
    ("native numpy", "advance"): advance_native.numpy_steps,
    ("native torch", "advance"): advance_native.torch_steps,
    ("native tensorflow", "advance"): advance_native.tensorflow_steps,
    ("native jax", "advance"): advance_native.jax_steps,
    ("native onnxruntime", "advance"): advance_native.onnx_steps,
    ("native litert", "advance"): advance_native.litert_steps,
}
"""Hand-written code, by the candidate's name and the phase."""


@dataclass
class Candidate:
    """A candidate that is compiled and proven."""

    call: Call
    losses: Sequence[float]
    flop: int
    """Floating-point operations of the matrix products in one step."""
    proof_s: float
    """Seconds of the last call of the proof; the first call compiled the candidate."""
    calls: int = 1
    """Calls in one sample."""

    def warm_up(self) -> None:
        """Run until two samples agree within 10%, or for 0.4 s, the proof included."""
        end, before = time.perf_counter() + WARM_UP_S - self.proof_s, 0.0
        while time.perf_counter() < end:
            now = self.sample()
            if abs(now - before) <= STEADY * now:
                return
            self.calls = max(1, ceil(SAMPLE_S / (now * self.call.steps)))
            before = now

    def sample(self) -> float:
        """Seconds for one step, the wait for the device included."""
        seconds: float = clock(self.call.run, self.call, self.calls)
        return seconds / (self.calls * self.call.steps)


def open_candidate(name: str, phase: str, problem: Problem) -> Candidate:
    """Open and compile a candidate, and compute the losses that prove it."""
    native = NATIVE.get((name, phase))
    call = native(problem) if native else adapter_call(name, phase, problem)
    losses, start = [], time.perf_counter()
    for _ in range(PROOF_STEPS):
        if call.loss:
            start = time.perf_counter()
            losses.append(call.loss())
    call.wait()
    flop = 2 * MATRIX_SIZE**3 if name == "np.matmul" else flops(problem)
    return Candidate(call, losses, flop, time.perf_counter() - start)


@dataclass
class CandidateServer:
    """The candidates of one process at one model. A worker calls its public methods by name."""

    threads: int
    device: str = "cpu"
    opened: dict[tuple[str, str], Candidate] = field(default_factory=dict)

    def open(self, shape: str, cell: str, entries: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Open, compile and prove every candidate. Python's garbage collector is off until
        `close`."""
        problem = build_problem(shape, cell, self.threads, self.device)
        answers = [self._open(name, phase, problem) for name, phase in entries]
        gc.collect()
        gc.disable()
        return answers

    def _open(self, name: str, phase: str, problem: Problem) -> dict[str, Any]:
        answer: dict[str, Any] = {"losses": [], "flop": 0, "error": None}
        try:
            candidate = self.opened[name, phase] = open_candidate(name, phase, problem)
        except Exception as error:  # noqa: BLE001 - one candidate's failure must not stop the others
            return {**answer, "error": reason(error)}
        return {**answer, "losses": candidate.losses, "flop": candidate.flop}

    def warm_up(self, name: str, phase: str) -> None:
        """Warm a candidate up."""
        self.opened[name, phase].warm_up()

    def sample(self, name: str, phase: str) -> float:
        """Seconds for one step of a candidate."""
        return self.opened[name, phase].sample()

    def close(self) -> None:
        """Drop all candidates."""
        self.opened.clear()
        gc.enable()
        gc.collect()


def reason(error: Exception) -> str:
    """Why a candidate could not be opened, in one line."""
    if isinstance(error, Unavailable):
        return "not there"
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, Unsupported) else f"{type(error).__name__}: {text}"
