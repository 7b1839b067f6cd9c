"""The speed probe fails where a timed call leaves its work undone, or returns something else."""

import time
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from backends import numpy_backend
from bench.plan.case import SpeedSettings
from bench.probes.escaped_work import EarlyReturnError
from bench.probes.speed import speed
from bench.probes.timed_results import check_forward, check_loss, check_repeats, read
from bench.spec import ModelSpec, Params, Training
from studies import faulty_backends

WORK_S = 2e-3


@dataclass(frozen=True)
class Layer:
    """Gradients in the shape of a layer, as some frameworks return them."""

    w: Any
    activation: Any


class Lazy:
    """An array that is computed when NumPy reads it."""

    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        time.sleep(WORK_S)
        return np.asarray(self._compute(), dtype)

    def __float__(self) -> float:
        return float(np.asarray(self))


def device(forward: Any) -> Any:
    """A session of which the predictions of x are x."""
    return SimpleNamespace(
        forward=forward, predict=lambda x: x, put=lambda array: array, wait=lambda: None
    )


def eager(x: Any) -> Any:
    time.sleep(WORK_S)
    return x


def test_result_that_is_computed_when_it_is_read_is_an_error() -> None:
    x = np.ones((2, 3))
    sound = device(eager)
    check_forward(sound.forward, sound, x, "float64")
    late = device(lambda x: Lazy(lambda: x))
    with pytest.raises(EarlyReturnError, match=r"before the work of forward\(\) was done"):
        check_forward(late.forward, late, x, "float64")


class Remembering:
    """A device whose `forward` computes once for each batch."""

    def __init__(self) -> None:
        self.results: dict[int, Any] = {}

    def forward(self, x: Any) -> Any:
        if id(x) not in self.results:
            self.results[id(x)] = eager(x)
        return self.results[id(x)]

    def put(self, array: Any) -> Any:
        return np.array(array)

    def wait(self) -> None:
        pass


def test_call_that_remembers_its_results_is_an_error() -> None:
    session = Remembering()
    check_repeats("forward", eager, session, [np.ones((2, 3))])
    with pytest.raises(EarlyReturnError, match="it must compute its result at each call"):
        check_repeats("forward", session.forward, session, [np.ones((2, 3))])


def with_call(**changes: Any) -> Any:
    """The reference, one of whose calls is replaced; each takes the session and the batch."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        session = numpy_backend.open_session(spec, params, device, training)
        altered: Any = faulty_backends.AlteredSession(session, {})
        for name, change in changes.items():
            setattr(altered, name, lambda *batch, change=change: change(session, *batch))
        return altered

    return faulty_backends.backend(open_session)


def test_loss_that_is_computed_when_it_is_read_is_an_error() -> None:
    sound = device(eager)
    check_loss(lambda: eager(np.ones(())), sound)
    with pytest.raises(EarlyReturnError, match=r"before the work of step\(\) was done"):
        check_loss(lambda: Lazy(lambda: np.ones(())), sound)


def test_timed_losses_are_read() -> None:
    lazy = with_call(step=lambda s, x, y: Lazy(lambda: s.step(x, y)))
    context = bench_for(lazy, "speed", cell="rnn")
    settings = SpeedSettings(phase_s=0.01, phases=["step"])
    with pytest.raises(EarlyReturnError):
        speed(replace(context, case=replace(context.case, speed=settings)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"forward": lambda s, x: lambda: s.predict(x)},
            r"forward\(\) returned function, in which there is no array",
        ),
        ({"backward": lambda s, x, y: lambda: s.backward(x, y)}, r"backward\(\) returned function"),
        ({"forward": lambda s, x: s.predict(x) * 1.001}, r"differs from predict\(\) by 0.001"),
        ({"forward": lambda s, x: s.predict(x)[:1]}, r"differs from predict\(\) by inf"),
        ({"forward": lambda s, x: None}, "returned NoneType"),
        ({"backward": lambda s, x, y: (2 * s.backward(x, y)[0], 0)}, "the loss of backward"),
        ({"backward": lambda s, x, y: s.backward(x, y)[0]}, "returned 0 derivatives of"),
    ],
)
def test_wrong_result_of_a_timed_call_is_an_error(changes: Any, message: str) -> None:
    context = bench_for(with_call(**changes), "speed", cell="rnn")
    settings = SpeedSettings(phase_s=0.01, phases=["forward", "gradients"])
    with pytest.raises(ValueError, match=message):
        speed(replace(context, case=replace(context.case, speed=settings)))


def test_arrays_are_read_from_any_nesting() -> None:
    result = (1.5, {"w": np.ones(2), "others": [np.zeros(3), None]}, Layer(np.ones(4), abs))
    assert [array.size for array in read("backward", result)] == [1, 2, 3, 4]


def test_timed_calls_of_each_backend_return_what_they_should(backend: str) -> None:
    context = bench_for(backend, "speed", cell="lstm", dtype="float32", batch=3, length=4)
    settings = SpeedSettings(phase_s=0.01, phases=["forward", "gradients"])
    assert speed(replace(context, case=replace(context.case, speed=settings))).failure is None
