"""What is particular to the JAX backends: the hand-written backward pass, cuDNN's weights, jit."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

import backends
from backends import jax_backend, jax_cudnn_backend, numpy_backend
from backends._jax import autodiff_stack, bptt_stack, cudnn_stack, functions
from bench.spec import CELLS, Array, ModelSpec, Training, Unsupported
from bench.weights import initial_weights

RECURRENT = [
    ("rnn", "reset_after"),
    ("lstm", "reset_after"),
    ("gru", "reset_after"),
    ("gru", "reset_before"),
]
LENGTHS = np.array([7, 2, 5, 1], "int32")


@pytest.fixture
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def model(cell: str, gru: str = "reset_after", **changes: Any) -> ModelSpec:
    sizes = {"inputs": 3, "hidden": 5, "outputs": 2, "layers": 2, "bidirectional": True}
    return ModelSpec(cell=cell, gru=gru, **{**sizes, **changes})


def weights(spec: ModelSpec) -> dict[str, Array]:
    return initial_weights(spec, np.random.default_rng(3))


def initial_states(spec: ModelSpec) -> tuple[Array, ...]:
    shape = (len(CELLS[spec.cell].states), spec.layers * spec.directions, 4, spec.hidden)
    return tuple(np.random.default_rng(1).standard_normal(shape))


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Within `tolerance` of the largest element of `expected`."""
    scale = float(np.max(np.abs(expected)))
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("cell", "gru", "lengths"),
    [("lstm", "reset_after", None), *((*form, LENGTHS) for form in RECURRENT)],
)
def test_hand_written_backward_pass_agrees_with_automatic_differentiation(
    x64: None, cell: str, gru: str, lengths: Any
) -> None:
    """The gradients of a function of all states and the final states, with respect to the weights,
    x, the initial states and a perturbation of h."""
    spec, rng = model(cell, gru, layers=1, dtype="float64"), np.random.default_rng(0)
    x, initial = rng.standard_normal((4, 7, 3)), initial_states(spec)
    native = bptt_stack.STACK.to_native(spec, weights(spec))
    hidden_factors = rng.standard_normal((7, 4, 10))
    final_factors = [rng.standard_normal(state.shape) for state in initial]

    def gradients(run: Any) -> Any:
        def value(native: Any, x: Any, initial: Any, perturbation: Any) -> Any:
            hidden, final = run(spec, native, x, lengths, initial, perturbation)
            pairs = zip(final, final_factors, strict=True)
            return (hidden * hidden_factors).sum() + sum((a * b).sum() for a, b in pairs)

        zero = np.zeros((7, 4, 10))
        return jax.jit(jax.grad(value, (0, 1, 2, 3)))(native, x, initial, zero)

    actual, expected = gradients(bptt_stack.run), gradients(autodiff_stack.run)
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert_close(a, b)


def compiled_update(spec: ModelSpec) -> str:
    """The text of the compiled step of a session, for a batch of 4 and 7 steps."""
    session: Any = jax_backend.open_session(spec, weights(spec), "cpu")
    x, y = session.put(np.zeros((4, 7, 3))), session.put(np.zeros((4, 2)))
    workspace = session.stack.workspace(spec, 4, 7)
    arguments = (session.weights, session.optimiser_state, x, y, None, workspace)
    return str(session._update.lower(*arguments).compile().as_text())


@pytest.mark.parametrize(("cell", "gru"), RECURRENT)
def test_loops_write_the_tape_in_place(cell: str, gru: str) -> None:
    """No instruction of the compiled step copies the gates of all steps."""
    spec = model(cell, gru, layers=1, bidirectional=False)
    text = compiled_update(spec)
    width = 2 * spec.hidden if gru == "reset_before" else spec.gates * spec.hidden
    assert f"f32[7,4,{width}]" in text
    assert not re.findall(rf"f32\[7,4,{width}\]\S* copy\(", text)


@pytest.mark.parametrize(("cell", "gru"), RECURRENT)
def test_gradients_do_not_depend_on_what_the_workspace_holds(cell: str, gru: str) -> None:
    spec, rng = model(cell, gru), np.random.default_rng(0)
    native = {"layers": bptt_stack.STACK.to_native(spec, weights(spec))}
    x, y = rng.standard_normal((4, 7, 3)), rng.standard_normal((4, 2))
    readout = {name: weights(spec)[name] for name in ("readout.w", "readout.b")}

    def gradients(workspace: Any) -> Any:
        def value(native: Any) -> Any:
            arguments = (bptt_stack.STACK, spec, {**native, **readout}, x, y, LENGTHS)
            return functions.loss(*arguments, workspace=workspace)

        return jax.tree.leaves(jax.jit(jax.grad(value))(native))

    fresh = bptt_stack.workspace_of(spec, 4, 7)
    used = jax.tree.map(lambda buffer: np.full_like(buffer, np.nan), fresh)
    for expected, actual in zip(gradients(fresh), gradients(used), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(("cell", "gru"), RECURRENT)
def test_training_with_and_without_a_kept_workspace_agrees(cell: str, gru: str) -> None:
    """Also where the shape of the batch changes, and where gradients and steps alternate."""
    spec, rng = model(cell, gru), np.random.default_rng(0)
    kept, fresh = (jax_backend.open_session(spec, weights(spec), "cpu") for _ in range(2))
    fresh.stack = replace(fresh.stack, workspace=lambda spec, batch, time: None)
    for batch, time in [(4, 7), (4, 7), (2, 5), (4, 7)]:
        x, y = rng.standard_normal((batch, time, 3)), rng.standard_normal((batch, 2))
        gradients = [jax.tree.leaves(session.backward(x, y)) for session in (kept, fresh)]
        assert_close(kept.step(x, y), fresh.step(x, y), 1e-6)
        for actual, expected in zip(*gradients, strict=True):
            assert_close(actual, expected, 1e-6)
    for name, value in fresh.params().items():
        assert_close(kept.params()[name], value, 1e-6)


@pytest.mark.parametrize("method", ["backward", "step"])
def test_passes_over_batches_of_one_shape_use_the_same_memory(method: str) -> None:
    spec = model("lstm")
    session: Any = jax_backend.open_session(spec, weights(spec), "cpu")

    def pointers_after_a_pass() -> list[int]:
        getattr(session, method)(np.ones((4, 7, 3)), np.ones((4, 2)))
        session.wait()
        return sorted(b.unsafe_buffer_pointer() for b in jax.tree.leaves(session._kept[1]))

    first = pointers_after_a_pass()
    assert first
    assert pointers_after_a_pass() == first


def test_call_that_fails_leaves_no_deleted_workspace_behind() -> None:
    spec = model("lstm")
    session: Any = jax_backend.open_session(spec, weights(spec), "cpu")
    x, y = np.ones((4, 7, 3)), np.ones((4, 2))
    expected, compiled = session.backward(x, y)[0], session._gradients

    def fail(*arguments: Any) -> Any:
        for buffer in jax.tree.leaves(arguments[-1]):
            buffer.delete()
        raise MemoryError

    session._gradients = fail
    with pytest.raises(MemoryError):
        session.backward(x, y)
    session._gradients = compiled
    assert session.backward(x, y)[0] == expected


@pytest.mark.parametrize(("cell", "gru"), RECURRENT)
def test_gradients_of_one_sequence_agree_with_the_reference(cell: str, gru: str) -> None:
    """Its loops take several steps at once; the number of steps is no multiple of that."""
    spec, rng = model(cell, gru, dtype="float64"), np.random.default_rng(0)
    x, y = rng.standard_normal((1, 7, 3)), rng.standard_normal((1, 2))
    actual, expected = (
        adapter.open_session(spec, weights(spec), "cpu").gradients(x, y)
        for adapter in (jax_backend, numpy_backend)
    )
    assert_close(actual[0], expected[0])
    assert actual[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert_close(actual[1][name], value)


def test_step_leaves_the_weights_of_the_caller_unchanged() -> None:
    """The session donates its arrays at each step, and on the CPU they may share memory with the
    caller's NumPy arrays."""
    spec = model("lstm", hidden=64)
    params = weights(spec)
    before = {name: value.copy() for name, value in params.items()}
    session = jax_backend.open_session(spec, params, "cpu", Training(learning_rate=0.1))
    session.step(np.ones((4, 7, 3)), np.ones((4, 2)))
    session.wait()
    for name, value in before.items():
        np.testing.assert_array_equal(params[name], value)


def test_executed_path_reports_code_that_is_not_compiled() -> None:
    spec = model("rnn", layers=1)
    session = jax_backend.open_session(spec, weights(spec), "cpu")
    x = np.zeros((4, 7, 3))
    session.predict(x)
    assert session.executed_path() == jax_backend.expected_path(spec, "cpu") == "xla"
    with jax.disable_jit():
        session.predict(x)
    assert session.executed_path() == "python-loop"


@pytest.mark.parametrize("name", ["jax", "jax-autodiff", "jax-cudnn", "flax", "equinox"])
def test_worker_environment_is_the_same_for_every_jax_backend(name: str) -> None:
    """Memory is not preallocated, so that its peak can be measured, and cuBLAS is deterministic."""
    environment = backends.load(name).environment(threads=2)
    assert environment == {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def test_cudnn_refuses_the_cpu() -> None:
    spec = model("lstm")
    assert "NVIDIA" in str(jax_cudnn_backend.unavailable("cpu"))
    with pytest.raises(Unsupported, match="NVIDIA"):
        jax_cudnn_backend.open_session(spec, weights(spec), "cpu")


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_cudnn_weights_have_the_layout_that_the_library_reads(lengths: Any) -> None:
    """The library's own reference of what cuDNN computes agrees with NumPy, for full and for ragged
    sequences."""
    from jax.experimental.rnn import lstm_ref, unpack_lstm_weights

    spec, params = model("lstm"), weights(model("lstm"))
    vector = cudnn_stack.to_native(spec, params)
    round_trip = cudnn_stack.to_canonical(spec, vector)
    assert set(round_trip) == {name for name in params if "layers" in name}
    for name, value in round_trip.items():
        np.testing.assert_array_equal(value, params[name])
    x, initial = np.random.default_rng(0).standard_normal((4, 7, 3)), initial_states(spec)
    matrices_and_biases = unpack_lstm_weights(vector, 3, 5, 2, True)
    arrays = [np.asarray(array, "float32") for array in (x, *initial)]
    ends = np.full(4, 7, "int32") if lengths is None else lengths
    hidden, final, _ = lstm_ref(*arrays, *matrices_and_biases, ends, 3, 5, 2, 0.0, True)
    filled = cudnn_stack.hold_beyond_end(spec, hidden, arrays[1], final, lengths)
    reference = numpy_backend.open_session(replace(spec, dtype="float64"), params, "cpu")
    expected = reference.hidden_states(x, lengths, initial)
    assert_close(filled, expected, 1e-5)
    assert_close(final[-1], expected[:, 0, 5:], 1e-5)


def test_cudnn_second_biases_have_a_gradient_of_zero() -> None:
    """So the optimiser leaves them at zero."""
    spec = model("lstm")
    vector = cudnn_stack.to_native(spec, weights(spec))
    freeze = cudnn_stack.freeze_second_biases(spec)
    gradient = jax.grad(lambda vector: freeze(vector).sum())(vector)
    second = np.zeros(2 * 4 * 20, bool).reshape(4, 2, 20)
    second[:, 1] = True
    np.testing.assert_array_equal(gradient[-160:], ~second.reshape(-1))
    assert (gradient[:-160] == 1).all()
