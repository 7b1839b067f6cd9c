"""Every session refuses what is no batch of its model, and shares no memory with its caller."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conformance import problem
from conftest import adapters

import backends
from backends import numpy_backend
from bench.spec import CheckedSession, ModelSpec, Supports
from bench.weights import initial_weights

SPEC = ModelSpec(cell="lstm", inputs=2, hidden=3, outputs=4)
LABELLED = ModelSpec(
    cell="gru", inputs=2, hidden=3, outputs=4, readout="every", loss="cross_entropy"
)
X, LABELS = np.ones((3, 6, 2)), np.zeros((3, 6), int)
H = np.zeros((1, 3, 3))
WRONG_INPUTS = {
    "no sequence": (np.ones((0, 6, 2), np.float32), r"the shape \(0, 6, 2\): a batch with no"),
    "no step": (np.ones((3, 0, 2)), "sequences without a step"),
    "one axis too few": (np.ones((3, 6)), r"\(3, 6\), but this model reads \(batch, time, 2\)"),
    "one axis too many": (np.ones((1, 3, 6, 2)), "but this model reads"),
    "one input too many": (np.ones((3, 6, 3)), "but this model reads"),
    "whole numbers": (np.ones((3, 6, 2), int), "dtype int64, but a model reads floating-point"),
    "complex numbers": (np.ones((3, 6, 2), complex), "dtype complex128 cannot be part of a batch"),
    "objects": (np.full((3, 6, 2), None), "dtype object cannot be part of a batch"),
    "a list": ([[1.0, 2.0]], r"\(1, 2\), but this model reads"),
}
WRONG_LENGTHS: dict[str, tuple[Any, str]] = {
    "zero": ([0, 1, 2], "lengths has 0, but lengths are whole numbers from 1 to 6"),
    "more than the steps": ([1, 2, 7], "lengths has 7, but .* pad x to the longest sequence"),
    "negative": ([-1, 1, 2], "lengths has -1"),
    "fractions": ([1.5, 2.0, 3.0], "dtype float64, but lengths are whole numbers"),
    "one missing": ([1, 2], r"the shape \(2,\), not \(3,\)"),
    "one number": (6, r"the shape \(\), not \(3,\)"),
}
WRONG_LABELS = {
    "below −1": (np.full((3, 6), -2), "y has the label -2, but labels are whole numbers from −1"),
    "as many as classes": (np.full((3, 6), 4), r"label 4, but .* to 3"),
    "fractions": (np.full((3, 6), 0.5), "dtype float64, but labels are whole numbers"),
    "one step missing": (LABELS[:, 1:], r"the shape \(3, 5\); .* it must have \(3, 6\)"),
    "one-hot": (np.zeros((3, 6, 4), int), r"the shape \(3, 6, 4\)"),
}
WRONG_STATES = {
    "h alone": (H, "the state of the lstm is h and c; arrays given: 1"),
    "another batch": ((H, H[:, 1:]), r"the state c has the shape \(1, 2, 3\)"),
    "whole numbers": ((H.astype(int), H), "the state h has the dtype int64"),
}


def session_of(spec: ModelSpec, adapter: Any = "numpy") -> Any:
    weights = initial_weights(spec, np.random.default_rng(0))
    return backends.load(adapter).open_session(spec, weights, "cpu")


@pytest.mark.parametrize("name", WRONG_INPUTS)
def test_input_that_is_no_batch_is_refused(name: str) -> None:
    (x, message), session = WRONG_INPUTS[name], session_of(LABELLED)
    calls = {
        "predict": (x,),
        "hidden_states": (x,),
        "forward": (x,),
        "advance": (x,),
        "gradients": (x, LABELS),
        "backward": (x, LABELS),
        "step": (x, LABELS),
        "hidden_gradients": (x, LABELS),
        "gradient_terms": (x, LABELS),
    }
    for method, arguments in calls.items():
        with pytest.raises(ValueError, match=message):
            getattr(session, method)(*arguments)
    with pytest.raises(ValueError, match=message):
        session.predict(session.put(x))


@pytest.mark.parametrize("name", WRONG_LENGTHS)
def test_wrong_lengths_are_refused(name: str) -> None:
    (lengths, message), session = WRONG_LENGTHS[name], session_of(LABELLED)
    for form in (lengths, np.array(lengths), session.put(np.array(lengths))):
        with pytest.raises(ValueError, match=message):
            session.predict(X, form)
        with pytest.raises(ValueError, match=message):
            session.hidden_states(X, lengths=form)
        with pytest.raises(ValueError, match=message):
            session.step(session.put(X), LABELS, lengths=form)


@pytest.mark.parametrize("name", WRONG_LABELS)
def test_wrong_labels_are_refused(name: str) -> None:
    (labels, message), session = WRONG_LABELS[name], session_of(LABELLED)
    for form in (labels, session.put(labels)):
        for method in (session.gradients, session.step, session.hidden_gradients):
            with pytest.raises(ValueError, match=message):
                method(X, form)


@pytest.mark.parametrize("name", WRONG_STATES)
def test_wrong_state_is_refused(name: str) -> None:
    (state, message), session = WRONG_STATES[name], session_of(SPEC)
    with pytest.raises(ValueError, match=message):
        session.predict(X, initial_state=state)
    with pytest.raises(ValueError, match=message):
        session.advance(X, state)


def test_target_of_another_shape_or_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match=r"y has the shape \(3,\); .* it must have \(3, 4\)"):
        session_of(SPEC).gradients(X, np.zeros(3))
    with pytest.raises(ValueError, match="y has the dtype int64, but the loss mse compares"):
        session_of(SPEC).step(X, np.zeros((3, 4), int))


@pytest.mark.parametrize("wrong", [None, "text", {"x": X}])
def test_argument_that_is_no_array_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"arrays, not of {type(wrong).__name__}"):
        session_of(SPEC).predict(wrong)


def test_right_arguments_are_accepted_in_every_form() -> None:
    session, lengths = session_of(SPEC), [6, 1, 3]
    expected = session.predict(X, np.array(lengths), (H, H))
    for form in (lengths, np.array(lengths, np.uint8), session.put(lengths)):
        for x in (X.tolist(), list(X), tuple(X)):
            np.testing.assert_array_equal(session.predict(x, form, [H, H]), expected)
    _, state = session.advance(X)
    assert session.advance(X, state)[0].shape == (3, 4)


def test_every_backend_refuses_what_is_no_batch(adapter: str) -> None:
    session = session_of(SPEC, adapter)
    for x, message in (WRONG_INPUTS["no sequence"], WRONG_INPUTS["no step"]):
        with pytest.raises(ValueError, match=message):
            session.predict(x)
    for lengths, message in WRONG_LENGTHS.values():
        for form in (np.array(lengths), session.put(np.array(lengths))):
            with pytest.raises(ValueError, match=message):
                session.predict(session.put(X), form)


def test_every_backend_shares_no_memory_and_reads_arrays_of_any_layout(adapter: str) -> None:
    """Large enough that frameworks would take over the memory of an array instead of copying."""
    p = problem(SPEC, batch=64, time=5)
    weights = {name: np.array(value, np.float32) for name, value in p.weights.items()}
    session = backends.load(adapter).open_session(SPEC, weights, "cpu")
    x = p.x.astype(np.float32)
    on_device = session.put(x)
    expected = session.predict(on_device, p.lengths)
    x[:] = 9
    for value in weights.values():
        value[:] = 9
    lengths = [p.lengths.astype(dtype) for dtype in (np.uint8, ">i8", np.uint64)]
    for form in (*lengths, p.lengths[::-1].copy()[::-1]):
        np.testing.assert_array_equal(session.predict(on_device, form), expected)
    for form in (p.x.astype(">f8"), p.x.astype(np.longdouble), p.x[::-1].copy()[::-1]):
        np.testing.assert_array_equal(session.predict(form, p.lengths), expected)


class LateSession:
    """A session that keeps its arguments, and reads them when it is waited for."""

    def __init__(self, *_: Any) -> None:
        self.read: list[Any] = []
        self._kept: list[Any] = []

    def put(self, array: Any) -> Any:
        return array

    def step(self, x: Any, y: Any, lengths: Any = None) -> None:
        self._kept.append((x, y))

    forward = backward = step

    def wait(self) -> None:
        self.read += [(float(x.flat[0]), float(y.flat[0])) for x, y in self._kept]
        self._kept.clear()


def late_session(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, LateSession]:
    late = LateSession()
    monkeypatch.setattr(numpy_backend, "open_session", lambda *_: late)
    return session_of(SPEC), late


@pytest.mark.parametrize("put", [True, False])
def test_one_buffer_for_all_batches_gives_what_fresh_arrays_give(
    put: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, late = late_session(monkeypatch)
    x, y = np.zeros((3, 6, 2)), np.zeros((3, 4))
    for number in range(4):
        x[:], y[:] = number, -number
        session.step(*((session.put(x), session.put(y)) if put else (x, y)))
    session.wait()
    assert late.read == [(0, 0), (1, -1), (2, -2), (3, -3)]


def test_facts_of_arrays_are_forgotten_with_the_arrays() -> None:
    session = session_of(SPEC)
    for _ in range(50):
        session.predict(session.put(X))
    assert len(session._facts._by_id) <= 1


def test_clock_gets_the_session_without_checks() -> None:
    session = session_of(SPEC)
    assert isinstance(session, CheckedSession)
    assert type(session.unchecked).__name__ == "NumpySession"
    assert not hasattr(session, "restart")


def test_what_an_adapter_adds_is_seen_through_the_check() -> None:
    adapter = SimpleNamespace(SUPPORTS=Supports(cells=("rnn",)), extra=3)
    checked = backends.CheckedBackend(adapter)
    assert (checked.SUPPORTS.cells, checked.extra) == (("rnn",), 3)
    assert not hasattr(checked, "REQUIRES")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "adapter" in metafunc.fixturenames:
        metafunc.parametrize("adapter", adapters(metafunc.config))
