"""`jax-split`: the parts of a batch add up to what `jax` computes, always in the same order."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pytest
from conftest import ROOT
from test_jax import LENGTHS, RECURRENT, assert_close, model, weights
from test_jax_loops import lines_of_loops

import backends
from backends import jax_backend, jax_split_backend
from backends._jax import runtime
from bench.run.environment import thread_variables, worker_environment
from bench.spec import Array, Training, Unsupported

COLLECTIVES = r"\b(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)"


def batch_of(size: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((size, 7, 3)), rng.standard_normal((size, 2))


def open_sessions(spec: Any, training: Training = Training()) -> list[Any]:
    adapters = (jax_split_backend, jax_backend)
    return [adapter.open_session(spec, weights(spec), "cpu", training) for adapter in adapters]


CASES = [(*form, 3) for form in (*RECURRENT, ("feedforward", "reset_after"))]


@pytest.mark.parametrize(
    ("cell", "gru", "size"),
    [*CASES, ("lstm", "reset_after", 1), ("lstm", "reset_after", 4)],
)
def test_loss_and_gradients_are_those_of_jax(cell: str, gru: str, size: int) -> None:
    """Also where two devices do not divide the batch."""
    actual, expected = (
        session.gradients(*batch_of(size), LENGTHS[:size])
        for session in open_sessions(model(cell, gru, layers=1, dtype="float64"))
    )
    assert_close(actual[0], expected[0])
    assert actual[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert_close(actual[1][name], value)


@pytest.mark.parametrize("decoder", [0, 3])
def test_cross_entropy_of_an_uneven_batch_is_that_of_jax(decoder: int) -> None:
    """XLA's partitioner crashes where it spreads the labels unevenly itself."""
    changes = {"layers": 1, "bidirectional": False, "readout": "every", "loss": "cross_entropy"}
    spec = model("lstm", dtype="float64", decoder=decoder, **changes)
    y = np.random.default_rng(1).integers(-1, 2, (3, decoder or 7))
    actual, expected = (s.gradients(batch_of(3)[0], y) for s in open_sessions(spec))
    assert_close(actual[0], expected[0])
    for name, value in expected[1].items():
        assert_close(actual[1][name], value)


def test_updates_are_those_of_jax_for_batches_of_changing_size() -> None:
    sessions = open_sessions(model("lstm", layers=1, dtype="float64"), Training(clip_norm=0.1))
    for number, size in enumerate((4, 3, 4)):
        x, y = batch_of(size, number)
        actual, expected = (s.step(s.put(x), s.put(y)) for s in sessions)
        assert_close(float(actual), float(expected))
    split, plain = (session.params() for session in sessions)
    for name, value in plain.items():
        assert_close(split[name], value)


def test_sequences_of_a_batch_lie_on_both_devices() -> None:
    session = jax_split_backend.open_session(model("rnn"), weights(model("rnn")), "cpu")
    x = session.put(np.zeros((4, 7, 3)))
    assert {shard.data.shape for shard in x.addressable_shards} == {(2, 7, 3)}
    assert len({shard.device for shard in x.addressable_shards}) == 2


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_devices_exchange_nothing_inside_a_loop(cell: str) -> None:
    spec = model(cell, layers=1)
    session: Any = jax_split_backend.open_session(spec, weights(spec), "cpu")
    x, y = map(session.put, batch_of(4))
    new = session.stack.workspace(spec, 4, 7)
    workspace = jax.device_put(new, session.placement.workspace)
    arguments = (session.weights, session.optimiser_state, x, y, None, workspace)
    text = str(session._update.lower(*arguments).compile().as_text())
    assert " while(" in text and re.search(COLLECTIVES, text)
    assert not [line for line in lines_of_loops(text) if re.search(COLLECTIVES, line)]


def test_path_tells_a_split_batch_from_a_whole_one() -> None:
    spec = model("rnn", layers=1)
    split, plain = open_sessions(spec)
    for session in (split, plain):
        session.predict(batch_of(4)[0])
    assert split.executed_path() == jax_split_backend.expected_path(spec, "cpu") == "xla-split"
    assert plain.executed_path() == "xla"


def test_process_has_a_device_for_each_thread_and_at_least_two() -> None:
    devices = [
        worker_environment(backends, "jax-split", threads)["JAX_NUM_CPU_DEVICES"]
        for threads in (1, 2, 3)
    ]
    assert devices == ["2", "2", "3"]
    assert "JAX_NUM_CPU_DEVICES" in thread_variables(jax_split_backend)
    assert jax_split_backend.settings("cpu")["parts"] == len(jax.devices("cpu"))


def test_one_processor_one_device_and_a_gpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = model("lstm")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert jax_split_backend.unavailable("cpu") is None
    assert "on a GPU use jax" in str(jax_split_backend.unavailable("cuda"))
    with pytest.raises(Unsupported, match="on a GPU use jax"):
        jax_split_backend.open_session(spec, weights(spec), "cuda")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert "may use one only" in str(jax_split_backend.unavailable("cpu"))
    one = jax.devices("cpu")[:1]
    monkeypatch.setattr(runtime.jax, "devices", lambda platform: one)
    with pytest.raises(Unsupported, match="JAX_NUM_CPU_DEVICES"):
        jax_split_backend.open_session(spec, weights(spec), "cpu")


ORDER = """
import json, os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from backends import jax_split_backend
from bench.spec import ModelSpec
spec = ModelSpec(cell="rnn", inputs=1, hidden=1, outputs=1)
zeros = {name: np.zeros(shape) for name, shape in
         {"w": (1, 1), "u": (1, 1), "b": (1,)}.items()}
weights = {f"layers.0.forward.{name}": value for name, value in zeros.items()}
weights |= {"readout.w": np.ones((1, 1)), "readout.b": np.zeros(1)}
session = jax_split_backend.open_session(spec, weights, "cpu")
sums = []
for terms in json.loads(sys.argv[1]):
    x, y = np.zeros((4, 1, 1)), -2 * np.array(terms)[:, None]
    sums.append([float(session.gradients(x, y)[1]["layers.0.forward.b"][0]) for _ in range(5)])
print(json.dumps(sums))
"""
"""With all weights but the readout's at zero, h is zero, and each of four sequences contributes
-y / 2 to dL/db: one of the terms, on a device of its own. One processor runs all four devices."""
LARGE = 2.0**24
"""From here on float32 has no odd numbers: adding 1 changes nothing."""
IN_TURN = [([LARGE, 1, 1, -LARGE], 0), ([-LARGE, 1, 1, LARGE], 2), ([1, 1, LARGE, -LARGE], 2)]
"""Four terms, and their sum in float32 from the first to the last. In pairs or from the last to the
first, one of the sums would be another."""


def sum_in_turn(terms: Sequence[float]) -> float:
    total = np.float32(0)
    for term in terms:
        total += np.float32(term)
    return float(total)


def test_shares_of_a_gradient_are_added_in_the_order_of_the_devices() -> None:
    for terms, expected in IN_TURN:
        assert sum_in_turn(terms) == expected
    assert [sum_in_turn(terms[::-1]) for terms, _ in IN_TURN] != [total for _, total in IN_TURN]
    arguments = [sys.executable, "-c", ORDER, json.dumps([terms for terms, _ in IN_TURN])]
    environment = {**os.environ, **jax_split_backend.environment(4)}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[expected] * 5 for _, expected in IN_TURN]
