"""What is particular to the JAX backends: a backward pass of its own, cuDNN's weights, jit."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from backends import jax_autodiff_backend, jax_backend, jax_cudnn_backend, numpy_backend
from bench.spec import Array, ModelSpec, Training, Unsupported
from bench.weights import initial_weights

CELLS = [
    ("rnn", "reset_after"),
    ("lstm", "reset_after"),
    ("gru", "reset_after"),
    ("gru", "reset_before"),
]
LENGTHS = np.array([7, 2, 5, 1], "int32")


@pytest.fixture
def wide() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def model(cell: str, gru: str = "reset_after", **more: Any) -> ModelSpec:
    sizes = {"inputs": 3, "hidden": 5, "outputs": 2, "layers": 2, "bidirectional": True}
    return ModelSpec(cell=cell, gru=gru, **{**sizes, **more})


def weights(spec: ModelSpec) -> dict[str, Array]:
    return initial_weights(spec, np.random.default_rng(3))


def states(spec: ModelSpec) -> tuple[Array, ...]:
    count = 2 if spec.cell == "lstm" else 1
    shape = (count, spec.layers * spec.directions, 4, spec.hidden)
    return tuple(np.random.default_rng(1).standard_normal(shape))


def close(ours: Any, truth: Any, tolerance: float = 1e-12) -> None:
    scale = float(np.max(np.abs(truth)))
    np.testing.assert_allclose(ours / scale, truth / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(("cell", "gru"), CELLS)
def test_the_backward_pass_is_what_jax_derives(
    wide: None, cell: str, gru: str, lengths: Any
) -> None:
    """Of any function of all states and the final ones, with respect to the weights, x, the
    initial states and a perturbation of h."""
    spec, rng = model(cell, gru, dtype="float64"), np.random.default_rng(0)
    x, start = rng.standard_normal((4, 7, 3)), states(spec)
    own = jax_backend.native(spec, weights(spec))
    by_states, by_last = (
        rng.standard_normal((7, 4, 10)),
        [rng.standard_normal(s.shape) for s in start],
    )

    def gradients(run: Any) -> Any:
        def value(own: Any, x: Any, start: Any, delta: Any) -> Any:
            above, last = run(spec, own, x, lengths, start, delta)
            ends = zip(last, by_last, strict=True)
            return (above * by_states).sum() + sum((a * b).sum() for a, b in ends)

        return jax.jit(jax.grad(value, (0, 1, 2, 3)))(own, x, start, np.zeros((7, 4, 10)))

    ours, derived = gradients(jax_backend.run), gradients(jax_autodiff_backend.run)
    assert jax.tree.structure(ours) == jax.tree.structure(derived)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(derived), strict=True):
        close(a, b)


@pytest.mark.parametrize(("cell", "gru"), CELLS)
def test_the_loops_work_in_place(cell: str, gru: str) -> None:
    """Compiled code says so where all gates of all steps are copied."""
    spec = model(cell, gru, layers=1, bidirectional=False)
    session: Any = jax_backend.open_session(spec, weights(spec), "cpu")
    x, y = session.put(np.zeros((4, 7, 3))), session.put(np.zeros((4, 2)))
    text = session._update.lower(session.weights, session.state, x, y).compile().as_text()
    gates = 2 * spec.hidden if gru == "reset_before" else spec.gates * spec.hidden
    assert f"f32[7,4,{gates}]" in text
    assert not re.findall(rf"f32\[7,4,{gates}\]\S* copy\(", text)


def test_a_step_leaves_the_weights_that_were_given_alone() -> None:
    """The session gives its own arrays away with each step, and on the CPU they may be NumPy's."""
    spec = model("lstm", hidden=64)
    given = weights(spec)
    before = {name: value.copy() for name, value in given.items()}
    session = jax_backend.open_session(spec, given, "cpu", Training(learning_rate=0.1))
    session.step(np.ones((4, 7, 3)), np.ones((4, 2)))
    session.wait()
    for name, value in before.items():
        np.testing.assert_array_equal(given[name], value)


@pytest.mark.parametrize("module", [jax_backend, jax_autodiff_backend], ids=["own", "autodiff"])
@pytest.mark.parametrize(("cell", "gru"), CELLS)
def test_bfloat16_is_as_near_as_it_can_be(module: Any, cell: str, gru: str) -> None:
    """Within 5 · 2⁻⁸ of the largest element in float64: five units in the last place."""
    spec = model(cell, gru, readout="every", dtype="bfloat16", bidirectional=False)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 7, 3)), rng.standard_normal((4, 7, 2))
    truth = numpy_backend.open_session(replace(spec, dtype="float64"), weights(spec), "cpu")
    session = module.open_session(spec, weights(spec), "cpu")
    close(session.predict(x), truth.predict(x), 5 * 2**-8)
    found, wanted = session.gradients(x, y)[1], truth.gradients(x, y)[1]
    for name, value in wanted.items():
        assert found[name].dtype == np.float32
        close(found[name], value, 5 * 2**-8)


def test_code_that_is_not_compiled_is_noticed() -> None:
    spec = model("rnn", layers=1)
    session = jax_backend.open_session(spec, weights(spec), "cpu")
    x = np.zeros((4, 7, 3))
    session.predict(x)
    assert session.executed_path() == jax_backend.expected_path(spec, "cpu") == "xla"
    with jax.disable_jit():
        session.predict(x)
    assert session.executed_path() == "python-loop"


def test_cudnn_is_not_offered_on_the_cpu() -> None:
    spec = model("lstm")
    assert "NVIDIA" in str(jax_cudnn_backend.unavailable("cpu"))
    with pytest.raises(Unsupported, match="NVIDIA"):
        jax_cudnn_backend.open_session(spec, weights(spec), "cpu")


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_cudnn_s_weights_are_laid_out_as_the_library_reads_them(lengths: Any) -> None:
    """By the library's own account of what cuDNN computes, ragged sequences and all."""
    from jax.experimental.rnn import lstm_ref, unpack_lstm_weights

    spec, given = model("lstm"), weights(model("lstm"))
    flat = jax_cudnn_backend.native(spec, given)
    assert set(jax_cudnn_backend.canonical(spec, flat)) == {n for n in given if "layers" in n}
    for name, value in jax_cudnn_backend.canonical(spec, flat).items():
        np.testing.assert_array_equal(value, given[name])
    x, start = np.random.default_rng(0).standard_normal((4, 7, 3)), states(spec)
    parts = unpack_lstm_weights(flat, 3, 5, 2, True)
    single = [np.asarray(part, "float32") for part in (x, *start)]
    ends = np.full(4, 7, "int32") if lengths is None else lengths
    above, h, _ = lstm_ref(*single, *parts, ends, 3, 5, 2, 0.0, True)
    held = jax_cudnn_backend.held(spec, above, single[1], h, lengths)
    truth = numpy_backend.open_session(replace(spec, dtype="float64"), given, "cpu")
    wanted = truth.hidden_states(x, lengths, start)
    close(held, wanted, 1e-5)
    close(h[-1], wanted[:, 0, 5:], 1e-5)


def test_cudnn_s_second_biases_stay_out_of_the_optimiser() -> None:
    spec = model("lstm")
    flat = jax_cudnn_backend.native(spec, weights(spec))
    found = jax.grad(lambda w: jax_cudnn_backend.one_bias(spec)(w).sum())(flat)
    frozen = np.zeros(2 * 4 * 20, bool).reshape(4, 2, 20)
    frozen[:, 1] = True
    np.testing.assert_array_equal(found[-160:], ~frozen.reshape(-1))
    assert (found[:-160] == 1).all()
