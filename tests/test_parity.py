"""The gate accepts what is right and rejects what is wrong, whichever way it is wrong."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from backends import numpy_backend
from bench.gate.parity import at_odd_sizes, compare, parity
from bench.gate.tolerance import Difference, relative_error, to_bfloat16
from bench.spec import Limit, ModelSpec, Params, Supports, Training, Unsupported
from bench.weights import initial_weights
from studies import faults

REJECTED = {
    "swapped gates": faults.with_weights(faults.swapped_gates),
    "dropped bias": faults.with_weights(faults.dropped_bias),
    "transposed recurrence": faults.with_weights(faults.transposed_recurrence),
    "zeros": faults.zeros(),
    "gradient of u off by 1%": faults.wrong_gradient("layers.0.forward.u", 1.01),
    "gradient of u off by a millionth": faults.wrong_gradient("layers.0.forward.u", 1 + 1e-6),
    "dL/dx missing": faults.missing_gradient("x"),
    "outputs not a number": faults.not_a_number(),
    "dL/dh_t one step late": faults.shifted_hidden_gradients(),
    "Adam with another epsilon": faults.with_training(epsilon=1e-6),
    "no clipping": faults.with_training(clip_norm=None),
    "another learning rate": faults.with_training(learning_rate=1.01e-2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("task", ["adding", "memory", "forecasting"])
def test_the_gate_accepts_the_reference_itself(task: str, cell: str, dtype: str) -> None:
    outcome = parity(bench_for("numpy", task=task, cell=cell, dtype=dtype))
    assert outcome.failure is None
    assert outcome.metrics["arrays_compared"] > 40


@pytest.mark.parametrize("fault", REJECTED)
def test_the_gate_rejects(fault: str) -> None:
    outcome = parity(bench_for(REJECTED[fault], cell="lstm", clip_norm=1e-3))
    assert outcome.failure is not None
    assert outcome.failure.startswith("parity: ")
    assert outcome.metrics["arrays_rejected"] > 0


@pytest.mark.parametrize(
    "fault", ["swapped gates", "dropped bias", "zeros", "gradient of u off by 1%"]
)
def test_the_gate_rejects_in_float32_too(fault: str) -> None:
    # The lstm starts with a zero bias but for the forget gate; drawn biases leave no way out.
    bench = bench_for(REJECTED[fault], cell="lstm", dtype="float32")
    assert parity(bench).failure is not None


def test_a_rejection_says_which_array_differs_and_by_how_much() -> None:
    outcome = parity(bench_for(faults.wrong_gradient("readout.w", 1.5)))
    assert outcome.failure is not None
    assert "d readout.w" in outcome.failure
    assert "0.5" in outcome.failure
    assert "tolerance 1e-09" in outcome.failure


def test_small_gradients_of_early_steps_are_proven_in_float64_whatever_the_dtype() -> None:
    def early_steps_off(found: np.ndarray) -> np.ndarray:
        if found.dtype == np.float64:
            found[:, 0] *= 1.001
        return found

    bench = bench_for(
        faults.with_results(hidden_gradients=early_steps_off),
        cell="gru",
        dtype="float32",
        length=40,
    )
    outcome = parity(bench)
    assert outcome.failure is not None
    assert "d hidden states through time differs by 0.001" in outcome.failure


def test_a_fault_at_odd_sizes_alone_is_found_and_named() -> None:
    def only_hidden_5(found: np.ndarray) -> np.ndarray:
        return found * (1.5 if found.shape[2] == 5 else 1)

    outcome = parity(bench_for(faults.with_results(hidden_states=only_hidden_5), hidden=8))
    assert outcome.failure is not None
    assert "at batch 4, T 7, hidden 5" in outcome.failure


def test_a_miscompilation_of_input_side_gradients_at_one_size_is_found() -> None:
    """The pattern reported of jax 0.10.2: batch 4, T 7, hidden 5, wrong by up to 0.33."""

    def miscompiled(found: tuple[float, dict[str, np.ndarray]]) -> Any:
        loss, gradients = found
        if gradients["x"].shape[:2] != (4, 7):
            return found
        wrong = ("layers.0.forward.w", "layers.0.forward.b", "x")
        return loss, {k: v + 0.33 * abs(v).max() * (k in wrong) for k, v in gradients.items()}

    outcome = parity(bench_for(faults.with_results(gradients=miscompiled), cell="gru"))
    assert outcome.failure is not None
    assert outcome.metrics["arrays_rejected"] == 3
    assert "d layers.0.forward.w at batch 4, T 7, hidden 5 differs by 0.33" in outcome.failure


def test_float32_is_held_to_what_float32_can_do() -> None:
    bench = bench_for("numpy", dtype="float32", cell="gru")
    model, training = bench.case.model, bench.case.training
    x, y = bench.task.sample(bench.rng("batches"))
    found = compare(bench, model, training, bench.weights(model), x, y)[0]
    assert all(d.accepted for d in found)
    assert max(d.error for d in found) > 1e-9  # it is not float64 by accident
    assert max(d.tolerance for d in found) < 1e-3


@pytest.mark.parametrize(
    ("array", "truth", "error"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), 0.0),
        (np.array([1.0, 2.2]), np.array([1.0, 2.0]), 0.1),
        (np.zeros(2), np.zeros(2), 0.0),
        (np.array([1e-300, 0]), np.zeros(2), math.inf),
        (np.zeros(3), np.zeros(2), math.inf),
        (None, np.zeros(2), math.inf),
    ],
)
def test_relative_error_of(array: Any, truth: Any, error: float) -> None:
    assert relative_error(array, truth) == pytest.approx(error)


def test_an_error_that_is_not_a_number_is_never_accepted() -> None:
    error = relative_error(np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    assert "the reference's, is not finite" in str(Difference("output", error, 1.0))
    assert not Difference("output", error, math.inf).accepted
    assert not Difference("output", math.inf, math.inf).accepted


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("task", ["adding", "memory"])
def test_a_backend_equals_the_reference_within_1e_9(backend: str, cell: str, task: str) -> None:
    outcome = parity(bench_for(backend, task=task, cell=cell))
    assert outcome.failure is None
    assert outcome.metrics["parity_error"] < 1e-9


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_backend_equals_the_reference_in_float32(backend: str, cell: str) -> None:
    assert parity(bench_for(backend, cell=cell, dtype="float32")).failure is None


def long_and_still(backend: Any, cell: str = "lstm") -> Any:
    """A bench of sequences that hardly change for a thousand steps."""
    size = {"lag": 1000, "batch": 32, "hidden": 4, "learning_rate": 1e-3, "clip_norm": 1.0}
    return bench_for(backend, task="memory", cell=cell, dtype="float32", **size)


def test_sums_of_long_still_sequences_may_be_added_up_one_after_another(backend: str) -> None:
    assert parity(long_and_still(backend)).failure is None


def test_what_is_wrong_with_such_sums_is_still_found() -> None:
    in_order = faults.backend(partial(numpy_backend.open_session, in_order=True))
    assert parity(long_and_still(in_order)).failure is None
    for name in ("layers.0.forward.b", "readout.w"):
        rejected, _ = judged(long_and_still(faults.wrong_gradient(name, 1.002)))
        assert {f"d {name}", f"d {name} in float64"} <= rejected


def test_what_such_sums_hide_in_float32_is_found_in_float64() -> None:
    rejected, _ = judged(long_and_still(faults.wrong_gradient("readout.w", 1.0002)))
    assert "d readout.w in float64" in rejected
    assert all(array.endswith(" in float64") for array in rejected)


def test_where_such_sums_decide_nothing_float32_is_enough() -> None:
    _, accepted = judged(bench_for("numpy", dtype="float32"))
    assert "d readout.w" in accepted
    assert not any(array.endswith(" in float64") for array in accepted)


def judged(bench: Any) -> tuple[set[str], set[str]]:
    """The arrays of a bench's own model that are rejected, and those that are accepted."""
    spec, (x, y) = bench.case.model, bench.task.sample(bench.rng("batches"))
    found, _ = compare(bench, spec, bench.case.training, bench.weights(spec), x, y)
    rejected = {d.array for d in found if not d.accepted}
    return rejected, {d.array for d in found} - rejected


def test_a_backward_pass_may_begin_with_its_largest_terms(backend: str) -> None:
    """Of sequences that stand still until they are asked for their last state, whose gradient
    fades."""
    sizes: Any = {"inputs": 2, "hidden": 4, "outputs": 3, "loss": "cross_entropy"}
    spec = ModelSpec(cell="lstm", dtype="float32", **sizes)
    weights = initial_weights(spec, np.random.default_rng(2), "chrono", time=1000)
    x = np.random.default_rng(0).standard_normal((64, 1000, 2))
    x[:, 10:] = 1, 0
    bench = bench_for(backend, dtype="float32")
    found, _ = compare(bench, spec, Training(), weights, x, np.ones(64, dtype=int))
    assert [str(d) for d in found if not d.accepted] == []


@pytest.mark.parametrize(
    "fault", [{"beta1": 0.8}, {"beta2": 0.99}, {"epsilon": 1e-6}, {"clip_norm": None}]
)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("task", ["adding", "memory", "temporal-order", "seq2seq"])
def test_a_wrong_optimiser_is_found_at_odd_sizes(task: str, cell: str, fault: Any) -> None:
    bench = bench_for(faults.with_training(**fault), task=task, cell=cell, dtype="float32")
    found = at_odd_sizes(bench, bench.case.model)
    assert any("five steps" in d.array for d in found if not d.accepted)


# ---- backends that do less, and narrower numbers ---------------------------------------------


def inference_only(change: Any = None) -> Any:
    """The reference without gradients; `change` alters what it predicts."""

    def refuse(*_: Any) -> Any:
        raise Unsupported("it does not train")

    def open_session(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
        session = numpy_backend.open_session(spec, params, device, training)
        own = {"predict": change} if change else {}
        altered: Any = faults.AlteredSession(session, own)
        altered.gradients = altered.hidden_gradients = altered.step = refuse
        return altered

    made = faults.backend(open_session)
    made.SUPPORTS = Supports(training=Limit("theirs", "it runs models only"))
    return made


def test_a_backend_that_does_not_train_is_proven_by_outputs_and_states() -> None:
    outcome = parity(bench_for(inference_only()))
    assert outcome.failure is None
    assert outcome.metrics["gradients_compared"] == 0
    assert outcome.metrics["arrays_compared"] == 6
    wrong = parity(bench_for(inference_only(lambda found: found * 1.001)))
    assert wrong.failure is not None
    assert "output" in wrong.failure


def narrow(change: Any = lambda params: params) -> Any:
    """Mixed precision as far as NumPy goes: float32 on weights and inputs that were rounded."""

    class Rounded(faults.AlteredSession):
        def put(self, array: Any) -> Any:
            floats = np.asarray(array).dtype.kind == "f"
            return to_bfloat16(array) if floats else np.asarray(array)

    def open_session(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
        rounded = {name: to_bfloat16(value) for name, value in change(dict(params)).items()}
        wide = replace(spec, dtype="float32" if spec.dtype == "bfloat16" else spec.dtype)
        own = rounded if spec.dtype == "bfloat16" else change(dict(params))
        return Rounded(numpy_backend.open_session(wide, own, device, training), {})

    made = faults.backend(open_session)
    made.SUPPORTS = Supports(dtypes=("bfloat16", "float32"))
    return made


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_bfloat16_is_held_to_what_rounding_costs(cell: str) -> None:
    assert parity(bench_for(narrow(), cell=cell, dtype="bfloat16")).failure is None
    swap = partial(faults.swapped_gates, ModelSpec(cell=cell, inputs=2, hidden=8, outputs=1))
    drop = partial(faults.transposed_recurrence, swap.args[0])
    for fault in (drop,) if cell == "rnn" else (swap, drop):
        faulty = bench_for(narrow(fault), cell=cell, dtype="bfloat16")
        x, y = faulty.task.sample(faulty.rng("batches"))
        weights, training = faulty.weights(faulty.case.model), faulty.case.training
        found = compare(faulty, faulty.case.model, training, weights, x, y)[0]
        assert not all(difference.accepted for difference in found)


def test_rounding_to_bfloat16_is_to_nearest_and_ties_to_even() -> None:
    import ml_dtypes

    values = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    ties = (values.view(np.uint32) & 0xFFFF0000 | 0x8000).view(np.float32)
    for array in (values, ties, np.zeros(3, np.float32)):
        expected = array.astype(ml_dtypes.bfloat16).astype(np.float32)
        np.testing.assert_array_equal(to_bfloat16(array), expected)
