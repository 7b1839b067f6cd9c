"""What is particular to TensorFlow: which path it takes, and sessions that restart."""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

import backends
from backends._keras.options import LayerOptions
from backends._tensorflow import framework
from bench.probes.training import train
from bench.spec import ModelSpec, Training
from bench.weights import initial_weights

FAMILY = ("tensorflow", "tensorflow-loop", "tensorflow-xla")


def model(cell: str = "lstm", **fields: Any) -> ModelSpec:
    return ModelSpec(cell=cell, inputs=2, hidden=4, outputs=3, **fields)


def open_session(name: str, spec: ModelSpec) -> Any:
    params = initial_weights(spec, np.random.default_rng(0))
    return backends.load(name).open_session(spec, params, "cpu")


def open_with_options(spec: ModelSpec, options: LayerOptions, jit: bool = False) -> Any:
    framework.require("cpu")
    from backends._tensorflow.session import TensorFlowSession

    params = initial_weights(spec, np.random.default_rng(0))
    return TensorFlowSession(spec, params, "cpu", Training(), options, jit)


@pytest.fixture
def eager() -> Iterator[None]:
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", FAMILY)
def test_environment_pins_the_threads_and_lets_gpu_memory_grow(name: str) -> None:
    variables = backends.load(name).environment(3)
    assert variables["TF_NUM_INTRAOP_THREADS"] == variables["TF_NUM_INTEROP_THREADS"] == "3"
    assert variables["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.parametrize("cell", ["gru", "feedforward"])
@pytest.mark.parametrize("name", FAMILY)
def test_executed_path_is_the_expected_one(name: str, cell: str) -> None:
    spec = model(cell)
    session = open_session(name, spec)
    session.step(np.zeros((2, 3, 2)), np.zeros((2, 3)))
    assert session.executed_path() == backends.load(name).expected_path(spec, "cpu")


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.usefixtures("eager")
def test_session_that_ran_op_by_op_reports_eager(name: str) -> None:
    session = open_session(name, model())
    session.forward(np.zeros((1, 2, 2)))
    assert session.executed_path() == "eager"


def test_one_call_op_by_op_among_others_reports_eager(request: pytest.FixtureRequest) -> None:
    session = open_session("tensorflow", model("rnn"))
    session.forward(np.zeros((1, 2, 2)))
    assert session.executed_path() == "while_loop"
    request.getfixturevalue("eager")
    session.forward(np.zeros((1, 2, 2)))
    assert session.executed_path() == "eager"


@pytest.mark.parametrize(
    ("cell", "gru", "options", "path"),
    [
        ("lstm", "reset_after", LayerOptions(cudnn=True), "cudnn"),
        ("gru", "reset_after", LayerOptions(cudnn=True), "cudnn"),
        ("gru", "reset_before", LayerOptions(cudnn=True), "while_loop"),
        ("rnn", "reset_after", LayerOptions(cudnn=True), "while_loop"),
        ("lstm", "reset_after", LayerOptions(cudnn=False), "while_loop"),
        ("lstm", "reset_after", LayerOptions(cudnn=True, unroll=True), "unrolled"),
    ],
)
def test_traced_graph_shows_whether_keras_took_cudnn(
    cell: str, gru: str, options: LayerOptions, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras is made to believe in a GPU: a graph with cuDNN in it can be traced without one."""
    spec = model(cell, gru=gru)
    session = open_with_options(spec, options)
    keras_loops = import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(keras_loops, "_is_gpu_available", lambda: True)
    x, lengths = session.put(np.zeros((2, 3, 2))), session.put(np.array([3, 1]))
    session._forward.get_concrete_function(x, lengths, None)
    assert session.executed_path() == path
    if options == LayerOptions(cudnn=True):
        assert backends.load("tensorflow").expected_path(spec, "cuda:0") == path


def test_xla_program_without_a_loop_is_reported_as_unrolled() -> None:
    session = open_with_options(model("rnn"), LayerOptions(unroll=True), jit=True)
    session.forward(np.zeros((2, 3, 2)))
    assert session.executed_path() == "xla-unrolled"


@pytest.mark.parametrize(("name", "cell"), [("tensorflow", "lstm"), ("tensorflow-loop", "gru")])
def test_restarted_session_trains_like_a_new_one(name: str, cell: str) -> None:
    adapter = backends.load(name)
    spec = ModelSpec(cell=cell, inputs=2, hidden=3, outputs=1, dtype="float64")
    training, rng = Training(learning_rate=0.1), np.random.default_rng(0)
    x, y = rng.standard_normal((4, 5, 2)), rng.standard_normal((4, 1))
    first, second = (initial_weights(spec, np.random.default_rng(seed)) for seed in (0, 1))
    new = adapter.open_session(spec, second, "cpu", training)
    losses_of_new = [float(new.step(x, y)) for _ in range(4)]
    session = adapter.open_session(spec, first, "cpu", training)
    losses_of_first = [float(session.step(x, y)) for _ in range(4)]
    session.restart(second)
    assert [float(session.step(x, y)) for _ in range(4)] == losses_of_new != losses_of_first
    assert all((session.params()[key] == value).all() for key, value in new.params().items())


def test_seeds_share_one_session_and_learn_as_in_workers_of_their_own() -> None:
    """Tracing happens once, and the losses and scores of each seed stay the same."""
    runs, shared = [], dict[str, Any]()
    for seed in (0, 1):
        context = bench_for("tensorflow", "learning", cell="gru", seed=seed)
        runs.append(train(context))
        again = train(replace(context, cache=shared, opened={}))
        assert again.losses == runs[-1].losses
        assert [checkpoint.scores for checkpoint in again.checkpoints] == [
            checkpoint.scores for checkpoint in runs[-1].checkpoints
        ]
    assert runs[0].losses != runs[1].losses
    assert len(shared["sessions"]) == 1
