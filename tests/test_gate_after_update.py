"""The gate rejects results of old weights, and results that later calls overwrite."""

from typing import Any

import numpy as np
import pytest
from conftest import bench_for
from test_gate_step_first import Counting, adapter

from backends import numpy_backend
from bench.gate.after_update import AGAIN, KEPT_RESULTS
from bench.gate.parity import parity
from bench.spec import Limit, Supports


class FirstWeights(Counting):
    """dL/dh_t is that of the weights that the session was opened with."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self.first = numpy_backend.open_session(session.spec, session.params(), "cpu")

    def hidden_gradients(self, x: Any, y: Any) -> Any:
        return self.first.hidden_gradients(x, y)


class FrozenBias(Counting):
    """`predict` adds the bias that the session was opened with."""

    def __init__(self, session: Any) -> None:
        super().__init__(session)
        self.bias = session.params()["readout.b"]

    def predict(self, *batch: Any) -> Any:
        return self.session.predict(*batch) - self.session.params()["readout.b"] + self.bias


class Memoised(Counting):
    """One method remembers its result for each array, whatever the weights."""

    method = ""

    def __getattribute__(self, name: str) -> Any:
        if name in ("method", "memo") or name != self.method:
            return super().__getattribute__(name)
        method, memo = getattr(self.session, name), self.__dict__.setdefault("memo", {})

        def remembered(x: Any, *rest: Any) -> Any:
            if id(x) not in memo:
                memo[id(x)] = (x, method(x, *rest))
            return memo[id(x)][1]

        return remembered


class OneBuffer(Counting):
    """The gradients are in the same arrays each time."""

    def gradients(self, *batch: Any) -> Any:
        loss, gradients = self.session.gradients(*batch)
        buffers = self.__dict__.setdefault("buffers", {})
        for name, value in gradients.items():
            if name != "x":
                buffers.setdefault(name, np.empty_like(value))[...] = value
        return loss, {**gradients, **buffers}


def memoised(name: str) -> type:
    return type("Memoised", (Memoised,), {"method": name})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("session", "name"),
    [
        (FirstWeights, f"d hidden states{AGAIN}"),
        (FrozenBias, f"output{AGAIN}"),
        (memoised("predict"), f"output{AGAIN}"),
        (memoised("hidden_states"), f"hidden states{AGAIN}"),
        (memoised("gradients"), AGAIN),
        (memoised("hidden_gradients"), f"d hidden states{AGAIN}"),
        (OneBuffer, KEPT_RESULTS),
    ],
)
def test_results_of_other_weights_are_rejected_by_name(
    session: type, name: str, dtype: str
) -> None:
    outcome = parity(bench_for(adapter(session), dtype=dtype))
    assert outcome.failure is not None
    assert name in outcome.failure or "advance differs" in outcome.failure


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_right_session_passes(cell: str, dtype: str, optimiser: str) -> None:
    context = bench_for(adapter(Counting), cell=cell, dtype=dtype, optimiser=optimiser)
    assert parity(context).failure is None


def test_backend_that_does_not_train_is_asked_again() -> None:
    backend = adapter(Overwrites)
    backend.SUPPORTS = Supports(training=Limit("theirs", "it runs models only"))
    outcome = parity(bench_for(backend))
    assert outcome.failure is not None
    assert "results" in outcome.failure or "another order" in outcome.failure


class Overwrites(Counting):
    """Hidden states of one shape are in one array."""

    def hidden_states(self, *batch: Any) -> Any:
        states = self.session.hidden_states(*batch)
        buffers = self.__dict__.setdefault("buffers", {})
        buffer = buffers.setdefault(states.shape, np.empty_like(states))
        buffer[...] = states
        return buffer
