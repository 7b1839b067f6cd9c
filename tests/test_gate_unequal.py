"""The gate rejects a backend that ignores lengths or initial states where it says it takes them."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from compare_records import judged_row, parity_record
from conftest import bench_for

from backends import numpy_backend
from bench.compare.decision import Verdict
from bench.gate.parity import parity
from bench.gate.unequal import CHANGED, unequal_batch
from bench.spec import Limit, ModelSpec, Params, Supports, Training
from studies import faulty_backends

NEITHER = Limit("ours", "not written")


def with_calls(supports: Supports | None = None, **changes: Callable[..., Any]) -> Any:
    """The reference, some of whose methods are replaced; each takes the session and the batch."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        session = numpy_backend.open_session(spec, params, device, training)
        altered: Any = faulty_backends.AlteredSession(session, {})
        for name, change in changes.items():
            setattr(altered, name, lambda *batch, change=change: change(session, *batch))
        return altered

    adapter = faulty_backends.backend(open_session)
    return SimpleNamespace(**{**vars(adapter), "SUPPORTS": supports or adapter.SUPPORTS})


def clear_padding(session: Any, x: Any, lengths: Any = None, state: Any = None) -> Any:
    if lengths is not None:
        np.nan_to_num(x, copy=False)
    return session.predict(x, lengths, state)


FAULTS = {
    "predict ignores lengths": ({"predict": lambda s, x, n=None, h=None: s.predict(x, None, h)}),
    "predict ignores states": ({"predict": lambda s, x, n=None, h=None: s.predict(x, n)}),
    "states ignore lengths": (
        {"hidden_states": lambda s, x, n=None, h=None: s.hidden_states(np.nan_to_num(x), None, h)}
    ),
    "gradients ignore lengths": (
        {"gradients": lambda s, x, y, n=None: s.gradients(np.nan_to_num(x), y)}
    ),
}


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fault", FAULTS)
def test_ignored_argument_is_rejected_by_name(fault: str, dtype: str, cell: str) -> None:
    outcome = parity(bench_for(with_calls(**FAULTS[fault]), dtype=dtype, cell=cell))
    assert outcome.failure is not None
    assert " with lengths and an initial state at batch 4" in outcome.failure


def test_changed_x_of_the_caller_is_rejected() -> None:
    outcome = parity(bench_for(with_calls(predict=clear_padding)))
    assert outcome.failure is not None
    assert CHANGED in outcome.failure


@pytest.mark.parametrize(
    ("cell", "task"),
    [("rnn", "char-lm"), ("lstm", "seq2seq"), ("gru", "adding"), ("feedforward", "adding")],
)
def test_lengths_and_states_of_the_reference_pass(cell: str, task: str) -> None:
    assert parity(bench_for("numpy", cell=cell, task=task, dtype="float32")).failure is None


@pytest.mark.parametrize(
    ("limits", "ending"),
    [
        ({}, " with lengths and an initial state"),
        ({"initial_state": NEITHER}, " with lengths"),
        ({"lengths": NEITHER}, " with an initial state"),
    ],
)
def test_only_declared_arguments_are_given(limits: Any, ending: str) -> None:
    supports = Supports(**limits)
    model = ModelSpec(cell="lstm", inputs=1, hidden=2, outputs=1, layers=2, bidirectional=True)
    batch = unequal_batch(model, supports, np.ones((3, 5, 1)))
    assert batch.ending == ending
    if batch.lengths is not None:
        assert list(batch.lengths) == [1, 3, 5]
        assert list(np.isnan(batch.x).sum(axis=(1, 2))) == [4, 2, 0]
    if batch.state is not None:
        assert [array.shape for array in batch.state] == [(4, 3, 2)] * 2


def test_backend_that_takes_neither_is_not_asked() -> None:
    def refuse(session: Any, x: Any, lengths: Any = None, state: Any = None) -> Any:
        assert lengths is None
        assert state is None
        return session.predict(x)

    supports = replace(Supports(generation=True), lengths=NEITHER, initial_state=NEITHER)
    assert parity(bench_for(with_calls(supports, predict=refuse))).failure is None


def test_metrics_tell_what_the_backend_declares() -> None:
    declared = {"error.output where x is NaN", "error.lengths", "error.an initial state"}
    everything = parity(bench_for(with_calls()))
    assert declared <= set(everything.metrics)
    nothing = Supports(
        generation=True, lengths=NEITHER, initial_state=NEITHER, nan_propagation=NEITHER
    )
    assert not declared & set(parity(bench_for(with_calls(nothing))).metrics)
    assert "error.gradients without a target" in parity(bench_for(task="char-lm")).metrics


def test_limit_that_the_head_alone_declares_is_missing() -> None:
    base, head = (
        parity_record(metrics=parity(bench_for(with_calls(supports))).metrics)
        for supports in (Supports(), Supports(nan_propagation=NEITHER, lengths=NEITHER))
    )
    finding = judged_row([base], [head])["compared arrays"]
    assert finding.verdict == Verdict.MISSING
    assert finding.reason == "not in the head: lengths, output where x is NaN"
    assert "compared arrays" not in judged_row([head], [base])
