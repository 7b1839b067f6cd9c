"""The parity probe accepts correct backends and rejects faulty ones, whatever the fault."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import COMPILED, bench_for, skip_unless_thorough
from gate_differences import case_differences

from backends import numpy_backend
from bench.gate.parity import at_odd_sizes, parity
from bench.gate.rounding import to_bfloat16
from bench.spec import Limit, ModelSpec, Params, Supports, Training, Unsupported
from studies import faulty_backends

REJECTED = {
    "swapped gates": faulty_backends.with_weights(faulty_backends.swapped_gates),
    "dropped bias": faulty_backends.with_weights(faulty_backends.dropped_bias),
    "transposed recurrence": faulty_backends.with_weights(faulty_backends.transposed_recurrence),
    "zeros": faulty_backends.zeros(),
    "gradient of u off by 1%": faulty_backends.wrong_gradient("layers.0.forward.u", 1.01),
    "gradient of u off by a millionth": faulty_backends.wrong_gradient(
        "layers.0.forward.u", 1 + 1e-6
    ),
    "dL/dx missing": faulty_backends.missing_gradient("x"),
    "outputs not a number": faulty_backends.not_a_number(),
    "dL/dh_t one step late": faulty_backends.shifted_hidden_gradients(),
    "Adam with another epsilon": faulty_backends.with_training(epsilon=1e-6),
    "no clipping": faulty_backends.with_training(clip_norm=None),
    "a state that advance forgets": faulty_backends.with_results(
        advance=lambda result: (result[0], None)
    ),
    "an advance with the weights before training": faulty_backends.stale_advance(),
    "another learning rate": faulty_backends.with_training(learning_rate=1.01e-2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("task", ["adding", "memory", "forecasting"])
def test_gate_accepts_the_reference_itself(task: str, cell: str, dtype: str) -> None:
    outcome = parity(bench_for("numpy", task=task, cell=cell, dtype=dtype))
    assert outcome.failure is None
    assert outcome.metrics["arrays_compared"] > 40


@pytest.mark.parametrize("fault", REJECTED)
def test_gate_rejects_each_fault(fault: str) -> None:
    outcome = parity(bench_for(REJECTED[fault], cell="lstm", clip_norm=1e-3))
    assert outcome.failure is not None
    assert outcome.failure.startswith("parity: ")
    assert outcome.metrics["arrays_rejected"] > 0


@pytest.mark.parametrize(
    "fault", ["swapped gates", "dropped bias", "zeros", "gradient of u off by 1%"]
)
def test_gate_rejects_in_float32_too(fault: str) -> None:
    # The case's own biases are zero except the forget gate's; at odd sizes they are drawn, so that
    # no fault in a bias can hide.
    context = bench_for(REJECTED[fault], cell="lstm", dtype="float32")
    assert parity(context).failure is not None


def test_failure_names_the_array_its_error_and_its_tolerance() -> None:
    outcome = parity(bench_for(faulty_backends.wrong_gradient("readout.w", 1.5)))
    assert outcome.failure is not None
    assert "d readout.w" in outcome.failure
    assert "0.5" in outcome.failure
    assert "tolerance 1e-09" in outcome.failure


def test_small_gradients_of_early_steps_are_compared_in_float64_whatever_the_dtype() -> None:
    def first_step_off(hidden_gradients: np.ndarray) -> np.ndarray:
        if hidden_gradients.dtype == np.float64:
            hidden_gradients[:, 0] *= 1.001
        return hidden_gradients

    context = bench_for(
        faulty_backends.with_results(hidden_gradients=first_step_off),
        cell="gru",
        dtype="float32",
        length=40,
    )
    outcome = parity(context)
    assert outcome.failure is not None
    assert "d hidden states through time differs by 0.001" in outcome.failure


def test_fault_at_odd_sizes_only_is_found_and_named() -> None:
    def wrong_for_five_units(states: np.ndarray) -> np.ndarray:
        return states * (1.5 if states.shape[2] == 5 else 1)

    outcome = parity(
        bench_for(faulty_backends.with_results(hidden_states=wrong_for_five_units), hidden=8)
    )
    assert outcome.failure is not None
    assert "at batch 4, T 7, hidden 5" in outcome.failure


def test_miscompiled_input_gradients_at_one_size_are_found() -> None:
    """The fault of jax 0.10.2: at batch 4, T 7, hidden 5, wrong by up to 0.33."""

    def miscompiled(result: tuple[float, dict[str, np.ndarray]]) -> Any:
        loss, gradients = result
        if gradients["x"].shape[:2] != (4, 7):
            return result
        wrong = ("layers.0.forward.w", "layers.0.forward.b", "x")
        return loss, {k: v + 0.33 * abs(v).max() * (k in wrong) for k, v in gradients.items()}

    outcome = parity(bench_for(faulty_backends.with_results(gradients=miscompiled), cell="gru"))
    assert outcome.failure is not None
    assert outcome.metrics["arrays_rejected"] == 3
    assert "d layers.0.forward.w at batch 4, T 7, hidden 5 differs by 0.33" in outcome.failure


def test_float32_is_allowed_what_float32_costs() -> None:
    differences = case_differences(bench_for("numpy", dtype="float32", cell="gru"))
    assert all(d.accepted for d in differences)
    assert max(d.error for d in differences) > 1e-9  # it is not float64 by accident
    assert max(d.tolerance for d in differences) < 1e-3


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("task", ["adding", "memory"])
def test_backend_equals_the_reference_within_1e_9(
    backend: str, cell: str, task: str, request: pytest.FixtureRequest
) -> None:
    if backend in COMPILED and (task, cell) != ("memory", "lstm"):
        skip_unless_thorough(request)
    outcome = parity(bench_for(backend, task=task, cell=cell))
    assert outcome.failure is None
    assert outcome.metrics["parity_error"] < 1e-9


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_backend_equals_the_reference_in_float32(
    backend: str, cell: str, request: pytest.FixtureRequest
) -> None:
    if backend in COMPILED and cell == "lstm":
        skip_unless_thorough(request)
    assert parity(bench_for(backend, cell=cell, dtype="float32")).failure is None


@pytest.mark.parametrize(
    "fault", [{"beta1": 0.8}, {"beta2": 0.99}, {"epsilon": 1e-6}, {"clip_norm": None}]
)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("task", ["adding", "memory", "temporal-order", "seq2seq"])
def test_wrong_optimiser_is_found_at_odd_sizes(task: str, cell: str, fault: Any) -> None:
    context = bench_for(
        faulty_backends.with_training(**fault), task=task, cell=cell, dtype="float32"
    )
    differences = at_odd_sizes(context, context.case.model)
    assert any("five steps" in d.array for d in differences if not d.accepted)


# ---- backends that do not train, and mixed precision -----------------------------------------


def inference_only(change: Any = None) -> Any:
    """The reference without training; `change` takes its outputs and returns others."""

    def refuse(*_: Any) -> Any:
        raise Unsupported("it does not train")

    def open_session(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
        session = numpy_backend.open_session(spec, params, device, training)
        altered: Any = faulty_backends.AlteredSession(
            session, {"predict": change} if change else {}
        )
        altered.gradients = altered.hidden_gradients = altered.step = refuse
        return altered

    backend = faulty_backends.backend(open_session)
    backend.SUPPORTS = Supports(training=Limit("theirs", "it runs models only"))
    return backend


def test_backend_that_does_not_train_is_compared_by_outputs_and_states() -> None:
    outcome = parity(bench_for(inference_only()))
    assert outcome.failure is None
    assert outcome.metrics["gradients_compared"] == 0
    # Six arrays, a NaN twice, another order; with lengths two arrays and the caller's own; two
    # arrays again and the first ones.
    assert outcome.metrics["arrays_compared"] == 15
    faulty = parity(bench_for(inference_only(lambda output: output * 1.001)))
    assert faulty.failure is not None
    assert "output" in faulty.failure


class RoundedSession(faulty_backends.AlteredSession):
    """A session whose inputs are rounded to bfloat16."""

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        return to_bfloat16(array) if array.dtype.kind == "f" else array


def mixed_precision(change: Any = lambda params: params) -> Any:
    """Mixed precision as far as NumPy has it: float32 on rounded weights and inputs. `change`
    takes the weights and returns others."""

    def open_session(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
        weights = change(dict(params))
        if spec.dtype == "bfloat16":
            weights = {name: to_bfloat16(value) for name, value in weights.items()}
            spec = replace(spec, dtype="float32")
        return RoundedSession(numpy_backend.open_session(spec, weights, device, training), {})

    backend = faulty_backends.backend(open_session)
    backend.SUPPORTS = Supports(dtypes=("bfloat16", "float32"))
    return backend


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_bfloat16_is_allowed_what_rounding_costs(cell: str) -> None:
    assert parity(bench_for(mixed_precision(), cell=cell, dtype="bfloat16")).failure is None
    spec = ModelSpec(cell=cell, inputs=2, hidden=8, outputs=1)
    swapped = partial(faulty_backends.swapped_gates, spec)
    transposed = partial(faulty_backends.transposed_recurrence, spec)
    for fault in (transposed,) if cell == "rnn" else (swapped, transposed):
        faulty = bench_for(mixed_precision(fault), cell=cell, dtype="bfloat16")
        assert not all(d.accepted for d in case_differences(faulty))


# ---- single steps of a running sequence ------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["a state that advance forgets", "an advance with the weights before training"]
)
def test_wrong_single_steps_are_named(fault: str) -> None:
    outcome = parity(bench_for(REJECTED[fault]))
    assert outcome.failure is not None
    assert "advance differs by" in outcome.failure
    assert outcome.metrics["arrays_rejected"] <= 3  # of the case's model and the two odd sizes


class Tiring(faulty_backends.AlteredSession):
    """`advance` halves its output from the ninth step of a sequence on."""

    def advance(self, x: Any, state: Any = None) -> Any:
        count, state = state or (0, None)
        output, state = self._session.advance(x, state)
        return output * (0.5 if count >= 8 else 1), (count + 1, state)


def tiring() -> Any:
    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return Tiring(numpy_backend.open_session(spec, params, device, training), {})

    return faulty_backends.backend(open_session)


@pytest.mark.parametrize("length", [10, 64, 100])
def test_single_steps_that_go_wrong_late_in_a_sequence_are_found(length: int) -> None:
    outcome = parity(bench_for(tiring(), length=length))
    assert outcome.failure is not None
    assert "advance differs by" in outcome.failure


def test_backend_without_single_steps_is_not_asked_for_them() -> None:
    with_steps = parity(bench_for("numpy"))
    without = faulty_backends.backend(numpy_backend.open_session)
    without.SUPPORTS = Supports(generation=Limit("ours", "not written"))
    assert with_steps.metrics["error.advance"] < 1e-9
    outcome = parity(bench_for(without))
    assert outcome.failure is None
    assert "error.advance" not in outcome.metrics
