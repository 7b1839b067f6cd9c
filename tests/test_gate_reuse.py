"""The gate rejects a session that goes wrong when it is used again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from backends import numpy_backend
from bench.gate.parity import parity
from bench.gate.reuse import KEPT_WEIGHTS, REORDERED, RESTART, RESTARTED_OUTPUT
from bench.spec import ModelSpec, Params, Training
from studies import faulty_backends

Method = Callable[..., Any]


class Restartable:
    """A session of the reference that can be restarted."""

    def __init__(self, spec: ModelSpec, params: Params, training: Training) -> None:
        self.given = (spec, params, training)
        self.open_anew(params)

    def open_anew(self, params: Params) -> None:
        spec, _, training = self.given
        self.session = numpy_backend.open_session(spec, params, "cpu", training)

    def restart(self, params: Params) -> None:
        self.open_anew(params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


class KeepsMoments(Restartable):
    """Adam's moments are those of the last training run."""

    def restart(self, params: Params) -> None:
        optimiser = self.session.optimiser
        self.open_anew(params)
        self.session.optimiser = optimiser


class KeepsWeights(Restartable):
    """A restart does nothing."""

    def restart(self, params: Params) -> None:
        pass


class StartsFromFirstWeights(Restartable):
    """A restart puts the weights back that the session was opened with."""

    def restart(self, params: Params) -> None:
        self.open_anew(self.given[1])


class Remembers(Restartable):
    """One method computes on its first arguments of each shape for ever."""

    method = ""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.session, name)
        if name != self.method:
            return method
        by_shape = self.__dict__.setdefault("by_shape", {})

        def on_first_arguments(*batch: Any) -> Any:
            first = by_shape.setdefault(tuple(map(np.shape, batch)), batch)
            return method(*first)

        return on_first_arguments


def remembering(name: str) -> type:
    return type("Remembers", (Remembers,), {"method": name})


class Overwrites(Restartable):
    """One method returns the same array each time, with other values in it."""

    method = ""

    def __getattr__(self, name: str) -> Any:
        method, arrays = getattr(self.session, name), self.__dict__.setdefault("arrays", {})
        if name != self.method:
            return method

        def into_one_array(*batch: Any) -> Any:
            values = method(*batch)
            result = values if isinstance(values, dict) else {"": np.asarray(values)}
            for key, value in result.items():
                array = arrays.setdefault(key, np.array(value))
                if array.shape != np.shape(value):
                    return values
                array[...] = value
            return dict(arrays) if isinstance(values, dict) else arrays[""]

        return into_one_array


def overwriting(name: str) -> type:
    return type("Overwrites", (Overwrites,), {"method": name})


class SharesWeights(Restartable):
    """`params` returns the arrays that the next update changes."""

    def params(self) -> Any:
        if not hasattr(self, "shared"):
            self.shared = self.session.params()
        return self.shared

    def step(self, *batch: Any) -> Any:
        loss = self.session.step(*batch)
        for name, value in self.session.params().items():
            self.params()[name][...] = value
        return loss


def adapter(session: type, **declared: Any) -> Any:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return session(spec, params, training)

    return faulty_backends.backend(open_session)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_session_that_restarts_as_if_opened_anew_passes(dtype: str, optimiser: str) -> None:
    outcome = parity(bench_for(adapter(Restartable), dtype=dtype, optimiser=optimiser))
    assert outcome.failure is None
    assert f"error.{RESTART}" in outcome.metrics
    assert f"error.{RESTARTED_OUTPUT}" in outcome.metrics


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("session", "name"),
    [
        (KeepsMoments, RESTART),
        (KeepsWeights, RESTART),
        (StartsFromFirstWeights, RESTARTED_OUTPUT),
    ],
)
def test_wrong_restart_is_rejected_by_name(session: type, name: str, dtype: str) -> None:
    outcome = parity(bench_for(adapter(session), dtype=dtype))
    assert outcome.failure is not None
    assert name in outcome.failure


@pytest.mark.parametrize("task", ["adding", "char-lm"])
@pytest.mark.parametrize(
    ("session", "names"),
    [
        (remembering("predict"), (REORDERED, "output where x is NaN")),
        (remembering("hidden_states"), (REORDERED, "advance")),
        (remembering("gradients"), (REORDERED, "gradients without a target")),
        (remembering("hidden_gradients"), (REORDERED,)),
        (remembering("put"), ("five steps", "output where x is NaN")),
        (remembering("step"), ("five steps",)),
        (overwriting("predict"), (REORDERED,)),
        (overwriting("hidden_states"), (REORDERED, "advance")),
        (overwriting("hidden_gradients"), (REORDERED,)),
        (overwriting("step"), ("losses of five steps",)),
        (SharesWeights, (KEPT_WEIGHTS,)),
    ],
)
def test_session_for_one_batch_only_is_rejected(
    session: type, names: tuple[str, ...], task: str
) -> None:
    outcome = parity(bench_for(adapter(session), task=task))
    assert outcome.failure is not None
    assert any(name in outcome.failure for name in names), outcome.failure


@pytest.mark.parametrize(
    "changes",
    [
        {"predict": lambda output: output + 0.5j},
        {"gradients": lambda result: (result[0] + 1j, result[1])},
        {"gradients": lambda result: (result[0], {**result[1], "another.b": np.full(3, np.nan)})},
        {"params": lambda weights: {**weights, "another.b": np.zeros(3)}},
    ],
)
def test_complex_numbers_and_unknown_arrays_are_rejected(changes: Any) -> None:
    outcome = parity(bench_for(faulty_backends.with_results(**changes)))
    assert outcome.failure is not None
    assert outcome.failure.startswith("parity: ")


def test_weights_other_than_given_are_an_error_when_a_session_is_used_again() -> None:
    context = bench_for(adapter(KeepsWeights), "learning")
    model, training = context.case.model, context.case.training
    weights = context.weights(model)
    context.open_kept(model, weights, training)
    context.reopen(model, weights, training)
    diverged = {name: np.full_like(value, np.nan) for name, value in weights.items()}
    with pytest.raises(ValueError, match=r"restart\(\) left other weights in layers.0.forward.w"):
        context.reopen(model, diverged, training)
    sound = replace(context, backend=adapter(Restartable), cache={})
    sound.open_kept(model, weights, training)
    sound.reopen(model, diverged, training)
