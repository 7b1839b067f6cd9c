"""What is particular to TensorFlow: which path it takes, and bfloat16."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

import backends
from backends._keras import Choices
from backends._tensorflow import TensorFlowSession
from bench.probes.training import train
from bench.spec import ModelSpec, Training
from bench.weights import initial_weights

FAMILY = ("tensorflow", "tensorflow-loop", "tensorflow-xla")
UNIT = 2.0**-8
"""What rounding to bfloat16 changes at most, relatively."""


def model(cell: str = "lstm", **others: Any) -> ModelSpec:
    return ModelSpec(cell=cell, inputs=2, hidden=4, outputs=3, **others)


def open_session(name: str, spec: ModelSpec) -> Any:
    params = initial_weights(spec, np.random.default_rng(0))
    return backends.load(name).open_session(spec, params, "cpu")


@pytest.fixture
def eager() -> Iterator[None]:
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("cell", ["gru", "feedforward"])
@pytest.mark.parametrize("name", FAMILY)
def test_the_path_is_what_is_expected(name: str, cell: str) -> None:
    spec = model(cell)
    session = open_session(name, spec)
    session.step(np.zeros((2, 3, 2)), np.zeros((2, 3)))
    assert session.executed_path() == backends.load(name).expected_path(spec, "cpu")


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.usefixtures("eager")
def test_a_run_op_by_op_is_noticed(name: str) -> None:
    session = open_session(name, model())
    session.forward(np.zeros((1, 2, 2)))
    assert session.executed_path() == "eager"


def test_one_call_op_by_op_among_others_is_noticed(request: pytest.FixtureRequest) -> None:
    session = open_session("tensorflow", model("rnn"))
    session.forward(np.zeros((1, 2, 2)))
    assert session.executed_path() == "while_loop"
    request.getfixturevalue("eager")
    session.forward(np.zeros((1, 2, 2)))
    assert session.executed_path() == "eager"


@pytest.mark.parametrize(
    ("cell", "gru", "choices", "path"),
    [
        ("lstm", "reset_after", Choices(cudnn=True), "cudnn"),
        ("gru", "reset_after", Choices(cudnn=True), "cudnn"),
        ("gru", "reset_before", Choices(cudnn=True), "while_loop"),
        ("rnn", "reset_after", Choices(cudnn=True), "while_loop"),
        ("lstm", "reset_after", Choices(cudnn=False), "while_loop"),
        ("lstm", "reset_after", Choices(cudnn=True, unroll=True), "unrolled"),
    ],
)
def test_the_graph_tells_whether_keras_took_cudnn(
    cell: str, gru: str, choices: Choices, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras is told that there is a GPU; a graph with cuDNN in it can be traced without one."""
    spec = model(cell, gru=gru)
    session = TensorFlowSession(
        spec, initial_weights(spec, np.random.default_rng(0)), "cpu", Training(), choices
    )
    keras_loops = import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(keras_loops, "_is_gpu_available", lambda: True)
    x, lengths = session.put(np.zeros((2, 3, 2))), session.put(np.array([3, 1]))
    session._forward.get_concrete_function(x, lengths, None)
    assert session.executed_path() == path
    if choices == Choices(cudnn=True):
        assert backends.load("tensorflow").expected_path(spec, "cuda:0") == path


def test_xla_s_program_tells_whether_it_has_a_loop() -> None:
    spec = model("rnn")
    params = initial_weights(spec, np.random.default_rng(0))
    session = TensorFlowSession(spec, params, "cpu", Training(), Choices(unroll=True), jit=True)
    session.forward(np.zeros((2, 3, 2)))
    assert session.executed_path() == "xla-unrolled"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("name", FAMILY[:2])
def test_bfloat16_is_as_near_to_float64_as_its_eight_bits_allow(name: str, cell: str) -> None:
    """Within eight roundings of the largest element, and further away than float32 is."""
    spec = model(cell, readout="every", dtype="bfloat16", layers=2)
    rounded, exact = open_session(name, spec), open_session("numpy", replace(spec, dtype="float64"))
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, 6, 2)), rng.standard_normal((5, 6, 3))
    found, truth = rounded.gradients(x, y)[1], exact.gradients(x, y)[1]
    found["output"], truth["output"] = rounded.predict(x), exact.predict(x)
    for array in found, rounded.params():
        assert {value.dtype for value in array.values()} == {np.dtype("float32")}
    errors = {k: abs(found[k] - truth[k]).max() / abs(truth[k]).max() for k in truth}
    assert max(errors.values()) < 8 * UNIT, errors
    assert min(errors.values()) > UNIT / 100, errors


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("name", FAMILY[:2])
def test_a_decoder_reads_what_it_wrote(name: str, loss: str) -> None:
    spec = model("lstm", readout="every", loss=loss, dtype="float64", decoder=4, layers=2)
    x = np.random.default_rng(1).standard_normal((3, 5, 2))
    ours, reference = (open_session(each, spec).predict(x) for each in (name, "numpy"))
    np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-9 * abs(reference).max())


@pytest.mark.parametrize("name", FAMILY[:2])
def test_a_sequence_read_in_pieces_is_the_sequence(name: str) -> None:
    session = open_session(name, model("lstm", readout="every", dtype="float64"))
    x = np.random.default_rng(1).standard_normal((3, 5, 2))
    state, pieces = None, []
    for t in range(5):
        output, state = session.advance(x[:, t : t + 1], state)
        pieces.append(output)
    np.testing.assert_allclose(np.concatenate(pieces, 1), session.predict(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow-loop"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_restarted_session_is_as_one_just_opened(name: str, cell: str) -> None:
    adapter = backends.load(name)
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=1, dtype="float64")
    training, rng = Training(learning_rate=0.1), np.random.default_rng(0)
    x, y = rng.standard_normal((4, 5, 2)), rng.standard_normal((4, 1))
    first, second = (initial_weights(spec, np.random.default_rng(seed)) for seed in (0, 1))
    fresh = adapter.open_session(spec, second, "cpu", training)
    wanted = [float(fresh.step(x, y)) for _ in range(4)]
    session = adapter.open_session(spec, first, "cpu", training)
    trained = [float(session.step(x, y)) for _ in range(4)]
    session.restart(second)
    assert [float(session.step(x, y)) for _ in range(4)] == wanted != trained
    assert all((session.params()[key] == value).all() for key, value in fresh.params().items())


def test_many_seeds_are_traced_for_once_and_learn_as_alone() -> None:
    """A worker that trains seed after seed gives what a worker for each of them gives."""
    alone, shared = [], dict[str, Any]()
    for seed in (0, 1):
        bench = bench_for("tensorflow", "learning", cell="gru", seed=seed)
        alone.append(train(bench))
        again = train(replace(bench, known=shared, opened={}))
        assert again.losses == alone[-1].losses
        assert [look.scores for look in again.checkpoints] == [
            look.scores for look in alone[-1].checkpoints
        ]
    assert alone[0].losses != alone[1].losses
    assert len(shared["sessions"]) == 1
