"""The gate rejects a session that is wrong where nothing but `step` is called, or later on."""

from typing import Any

import pytest
from conftest import bench_for

from backends import numpy_backend
from bench.gate.parity import parity
from bench.gate.step_first import STEP_FIRST
from bench.spec import ModelSpec, Params, Training
from studies import faulty_backends


class Counting:
    """A session of the reference that counts updates and knows if it was asked for more."""

    def __init__(self, session: Any) -> None:
        self.session, self.count, self.prepared = session, 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def predict(self, *batch: Any) -> Any:
        self.prepared = True
        return self.session.predict(*batch)

    def gradients(self, *batch: Any) -> Any:
        self.prepared = True
        return self.session.gradients(*batch)

    def step(self, *batch: Any) -> Any:
        self.count += 1
        return self.update(*batch)

    def update(self, *batch: Any) -> Any:
        return self.session.step(*batch)


class Unprepared(Counting):
    """`step` trains only after another call has prepared it."""

    def update(self, *batch: Any) -> Any:
        return self.session.step(*batch) if self.prepared else self.session.gradients(*batch)[0]


class StopsTraining(Counting):
    """Nothing is trained from the ninth update on."""

    def update(self, *batch: Any) -> Any:
        if self.count < 9:
            return self.session.step(*batch)
        return self.session.gradients(*batch)[0]


class IgnoresLengths(Counting):
    """`step` ignores the lengths."""

    def update(self, x: Any, y: Any, lengths: Any = None) -> Any:
        if lengths is not None:
            x = x.copy()
            x[x != x] = 0
        return self.session.step(x, y)


class ForgetsMoments(Counting):
    """Adam begins anew with the ninth update."""

    def update(self, *batch: Any) -> Any:
        if self.count == 9:
            optimiser = self.session.optimiser
            optimiser.count, optimiser.mean[:], optimiser.square[:] = 0, 0, 0
        return self.session.step(*batch)


def adapter(session: type) -> Any:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return session(numpy_backend.open_session(spec, params, device, training))

    return faulty_backends.backend(open_session)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("session", [Unprepared, StopsTraining, IgnoresLengths, ForgetsMoments])
def test_wrong_update_is_rejected_by_name(session: type, cell: str, dtype: str) -> None:
    outcome = parity(bench_for(adapter(session), cell=cell, dtype=dtype))
    assert outcome.failure is not None
    assert STEP_FIRST in outcome.failure


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_right_updates_pass(cell: str, dtype: str) -> None:
    outcome = parity(bench_for(adapter(Counting), cell=cell, dtype=dtype))
    assert outcome.failure is None
