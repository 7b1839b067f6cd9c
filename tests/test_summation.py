"""Gradients added up in order: the worst sums, and the gate on sequences that stand still."""

from typing import Any

import numpy as np
import pytest
from conftest import COMPILED, bench_for, skip_unless_thorough
from gate_differences import case_differences

from backends import numpy_backend
from backends._numpy.parameters import FlatParameters
from bench.gate.parity import compare, parity
from bench.gate.summation import gradients_in_order, product_in_order, sum_in_order
from bench.probes.training import norm
from bench.spec import ModelSpec, Params, Training
from bench.weights import initial_weights
from studies import faulty_backends

# ---- the sums --------------------------------------------------------------------------------


def test_sums_in_order_lose_more_with_equal_terms_than_with_random_ones() -> None:
    count = 1 << 15
    random = np.random.default_rng(0).standard_normal((3, count))
    errors = {}
    for name, rows in (("random", random), ("equal", np.full((3, count), 0.0123))):
        exact = rows.sum(axis=1)
        sums = sum_in_order(rows.astype(np.float32))
        assert sums.dtype == np.float32
        errors[name] = np.max(np.abs(sums - exact)) / np.max(np.abs(exact))
        assert sum_in_order(rows) == pytest.approx(exact, rel=1e-11)
        assert np.array_equal(sum_in_order(rows.astype(np.float32)[:1]), sums[:1])
    assert errors["random"] < 2**-23 * count**0.5 < errors["equal"] < 2**-24 * count


def test_sums_lose_most_where_small_terms_are_added_to_large_ones() -> None:
    """That is backwards where terms grow: forwards the small ones are added to each other first."""
    terms = np.float32(0.9) ** np.arange(4000, dtype=np.float32)[::-1] + np.float32(1e-9)
    forwards, backwards = (np.add.accumulate(terms[::order])[-1] for order in (1, -1))
    exact = terms.sum(dtype=np.float64)
    worst = sum_in_order(terms[None])[0]
    assert abs(forwards - exact) < abs(backwards - exact) <= abs(worst - exact)


@pytest.mark.parametrize("shape", [(2, 40), (40, 2), (2, 3), (40, 17)])
def test_narrow_products_are_summed_term_by_term_and_wide_ones_step_by_step(
    shape: tuple[int, int],
) -> None:
    time, batch = 512, 16
    rng = np.random.default_rng(0)
    rows, columns = (rng.uniform(0.5, 1, size).astype(np.float32) for size in shape)
    derivatives = np.broadcast_to(rows[:, None, None], (len(rows), time, batch))
    inputs = np.broadcast_to(columns[:, None], (len(columns), time * batch))
    exact = time * batch * np.outer(rows.astype(float), columns)

    def error(product: Any) -> float:
        return float(np.max(np.abs(product - exact)) / np.max(exact))

    plain = error(np.matmul(derivatives.reshape(len(rows), -1), inputs.T))
    in_order = error(product_in_order(derivatives, inputs))
    assert plain < in_order
    by_steps, by_terms = 2**-24 * time, 2**-24 * time * batch
    assert in_order < by_steps if min(shape) > 16 else by_steps < in_order < by_terms


# ---- the gradients of a model ----------------------------------------------------------------


def plain_and_in_order(
    spec: ModelSpec, weights: Params, x: Any, y: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reference's gradients as it computes them, and with those of weights in order."""
    session = numpy_backend.open_session(spec, weights, "cpu")
    gradients = session.gradients(x, y)[1]
    return gradients, gradients | gradients_in_order(session.gradient_terms(x, y), weights)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
def test_gradients_in_order_equal_the_gradients_in_float64(cell: str, loss: str) -> None:
    sizes: Any = {"inputs": 2, "hidden": 3, "outputs": 4, "dtype": "float64"}
    spec, rng = ModelSpec(cell=cell, readout="every", loss=loss, **sizes), np.random.default_rng(0)
    weights, x = initial_weights(spec, rng), rng.standard_normal((3, 5, 2))
    y = rng.integers(4, size=(3, 5)) if loss == "cross_entropy" else rng.standard_normal((3, 5, 4))
    plain, in_order = plain_and_in_order(spec, weights, x, y)
    assert set(in_order) == {*weights, "x"}
    for name, gradient in plain.items():
        assert in_order[name] == pytest.approx(gradient, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    ("cell", "fields"),
    [
        ("rnn", {}),
        ("lstm", {"layers": 2}),
        ("lstm", {"bidirectional": True}),
        ("gru", {}),
        ("gru", {"gru": "reset_before"}),
        ("lstm", {"decoder": 900, "readout": "every"}),
        ("feedforward", {}),
    ],
)
def test_order_changes_every_weight_gradient_in_float32(cell: str, fields: dict[str, Any]) -> None:
    """The sequences stand still, and some targets are missing."""
    sizes = {"inputs": 1, "hidden": 2, "outputs": 1, "readout": "every", **fields}
    spec = ModelSpec(cell=cell, dtype="float32", **sizes)
    rng = np.random.default_rng(0)
    weights, x = initial_weights(spec, rng), np.full((4, 1000, 1), 0.3)
    y = np.full((4, spec.decoder or 1000, 1), 0.7)
    y[1, 500:] = np.nan
    plain, in_order = plain_and_in_order(spec, weights, x, y)
    for name, gradient in plain.items():
        assert np.array_equal(gradient, in_order[name]) == (name == "x"), name
        assert in_order[name] == pytest.approx(gradient, rel=2e-3, abs=1e-3 * norm(gradient))


# ---- the gate on long sequences that stand still ---------------------------------------------


@pytest.fixture(params=[280, 1000])
def lag(request: pytest.FixtureRequest) -> int:
    """Steps that a sequence stands still. Sums in order decide at both lengths; the longer one
    takes up to a minute a test and is compared with --thorough only."""
    if request.param > 280 and not request.config.getoption("--thorough"):
        pytest.skip("the longer sequences are compared with --thorough")
    return int(request.param)


def standing_still(backend: Any, lag: int) -> Any:
    """The context of an lstm on sequences that hardly change for `lag` steps."""
    size = {"lag": lag, "batch": 32, "hidden": 4, "learning_rate": 1e-3, "clip_norm": 1.0}
    return bench_for(backend, task="memory", cell="lstm", dtype="float32", **size)


class SessionInOrder:
    """A session of the reference whose weight gradients are added up in the order that loses
    most, in training too."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Any]]:
        loss, plain = self._session.gradients(x, y, lengths)
        if lengths is not None:
            return loss, plain
        terms = self._session.gradient_terms(x, y)
        return loss, plain | gradients_in_order(terms, self._session.params())

    def step(self, x: Any, y: Any, lengths: Any = None) -> float:
        loss, gradients = self.gradients(x, y, lengths)
        del gradients["x"]
        vector = FlatParameters(self._session.spec, gradients).vector
        self._session.optimiser.update(self._session.weights.vector, vector)
        return loss


def summing_in_order() -> Any:
    return faulty_backends.backend(
        lambda *arguments: SessionInOrder(numpy_backend.open_session(*arguments))
    )


def test_backends_may_add_up_long_still_sequences_in_order(
    backend: str, lag: int, request: pytest.FixtureRequest
) -> None:
    if backend in COMPILED:
        skip_unless_thorough(request)
    assert parity(standing_still(backend, lag)).failure is None


def test_the_worst_order_is_accepted_and_beyond_what_rounding_allows(lag: int) -> None:
    context = standing_still(summing_in_order(), lag)
    assert parity(context).failure is None
    accepted = case_differences(context)
    least = 2**-23 * (context.task.batch * context.task.time) ** 0.5
    assert next(d.error for d in accepted if d.array == "d layers.0.forward.b") > 2 * least


@pytest.mark.parametrize("name", ["layers.0.forward.b", "readout.w"])
def test_a_wrong_gradient_is_found_in_both_dtypes_where_sums_in_order_decide(
    name: str, lag: int
) -> None:
    context = standing_still(faulty_backends.wrong_gradient(name, 1.002), lag)
    rejected = {d.array for d in case_differences(context) if not d.accepted}
    assert {f"d {name}", f"d {name} in float64"} <= rejected


def test_a_fault_that_sums_in_order_hide_in_float32_is_found_in_float64(lag: int) -> None:
    factor = 1.0001 if lag == 280 else 1.0002
    context = standing_still(faulty_backends.wrong_gradient("readout.w", factor), lag)
    rejected = {d.array for d in case_differences(context) if not d.accepted}
    assert "d readout.w in float64" in rejected
    assert all(array.endswith(" in float64") for array in rejected)


def test_float32_alone_is_compared_where_sums_in_order_decide_nothing() -> None:
    accepted = {
        d.array for d in case_differences(bench_for("numpy", dtype="float32")) if d.accepted
    }
    assert "d readout.w" in accepted
    assert not any(array.endswith(" in float64") for array in accepted)


@pytest.mark.parametrize("time", [600, 1000])
def test_a_backward_pass_may_begin_with_its_largest_terms(
    backend: str, time: int, request: pytest.FixtureRequest
) -> None:
    """Sequences that stand still until their last state is read; its gradient fades backwards.

    oneDNN, in torch, adds up the bias in that order: with 600 steps its error is already beyond
    what rounding and sums in forward order allow.
    """
    if (backend, time) != ("torch", 600) and not request.config.getoption("--thorough"):
        pytest.skip("other backends and longer sequences are compared with --thorough")
    sizes: Any = {"inputs": 2, "hidden": 4, "outputs": 3, "loss": "cross_entropy"}
    spec = ModelSpec(cell="lstm", dtype="float32", **sizes)
    weights = initial_weights(spec, np.random.default_rng(2), "chrono", time=time)
    x = np.random.default_rng(0).standard_normal((64, time, 2))
    x[:, 10:] = 1, 0
    context = bench_for(backend, dtype="float32")
    comparison = compare(context, spec, Training(), weights, x, np.ones(64, dtype=int))
    assert [str(d) for d in comparison.differences if not d.accepted] == []
