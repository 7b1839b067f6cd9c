"""Keras on JAX and on PyTorch, each in a process of its own.

Keras takes its backend from the environment when it is imported. The formulas are held to 1e-9 in
float64, which Keras rounds to float32 unless it is stopped (`tests/plugins/keras_wide.py`); the
adapters as they are must be as close as float32 allows. Every question about every model:
`pytest tests/test_conformance.py --backends keras-jax`.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backends
from bench.spec import ModelSpec

ROOT = Path(__file__).parents[1]
LSTM = ModelSpec(cell="lstm", inputs=2, hidden=3, outputs=5)
KERAS_IN_FLOAT64 = str(ROOT / "tests/plugins/keras_wide.py")
QUESTIONS_BY_MODEL: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (
        {"cell": "rnn", "layers": 2, "bidirectional": True, "readout": "every"},
        ("weights", "ragged from states", "hidden gradients"),
    ),
    (
        {"cell": "lstm", "layers": 2, "readout": "every", "loss": "cross_entropy", "decoder": 3},
        ("weights", "predictions", "ragged gradients", "training"),
    ),
    (
        {"cell": "gru", "layers": 2, "bidirectional": True},
        ("weights", "ragged gradients", "training"),
    ),
    (
        {"cell": "gru", "gru": "reset_before", "readout": "every"},
        ("pieces", "gradients", "ragged training"),
    ),
    ({"cell": "feedforward", "bidirectional": True}, ("ragged from states", "ragged gradients")),
]


def run_python(keras_backend: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process where Keras computes with this framework; warnings are errors."""
    path = f"{ROOT}{os.pathsep}{ROOT}/tests"
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": keras_backend, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_keras_computes_what_the_reference_computes(framework: str) -> None:
    process = run_python(framework, __file__)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("arrays agree") == len(QUESTIONS_BY_MODEL) + 1


@pytest.mark.parametrize(("framework", "other"), [("jax", "torch"), ("torch", "jax")])
def test_keras_set_to_another_framework_is_refused(framework: str, other: str) -> None:
    process = run_python(other, "-c", OPEN_AND_PRINT_REFUSAL.format(framework=framework))
    assert process.returncode == 0, process.stderr
    assert f"Keras is set to compute with {other}, not with {framework}" in process.stdout


def test_lstm_of_keras_on_jax_takes_cudnn_on_a_gpu() -> None:
    """Without a GPU: JAX's own reference of `jax.experimental.rnn.lstm` stands in for cuDNN."""
    process = run_python("jax", __file__, "cudnn")
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == ["cudnn", "1 layer", "2 layers"]


@pytest.mark.parametrize(
    ("fields", "device", "path"),
    [
        ({"cell": "lstm"}, "cuda", "cudnn"),
        ({"cell": "lstm"}, "cpu", "xla"),
        ({"cell": "gru"}, "cuda", "xla"),
        ({"cell": "lstm", "bidirectional": True}, "cuda", "xla"),
        ({"cell": "lstm", "dtype": "float64"}, "cuda", "xla"),
    ],
)
def test_expected_path_of_keras_on_jax(fields: dict[str, Any], device: str, path: str) -> None:
    spec = ModelSpec(inputs=2, hidden=3, outputs=1, **fields)
    assert backends.load("keras-jax").expected_path(spec, device) == path


OPEN_AND_PRINT_REFUSAL = """
import backends
from bench.spec import ModelSpec, Unsupported

spec = ModelSpec(cell="lstm", inputs=1, hidden=2, outputs=1)
try:
    backends.load("keras-{framework}").open_session(spec, {{}}, "cpu")
except Unsupported as error:
    print(error)
"""


def main() -> None:
    """Check the adapter of KERAS_BACKEND in this process; raises where an array differs."""
    from conformance import assert_conforms, problem

    sizes = {"inputs": 2, "hidden": 3, "outputs": 5}
    adapter = backends.load(f"keras-{os.environ['KERAS_BACKEND']}")
    narrow = problem(ModelSpec(cell="lstm", **sizes))
    print(assert_conforms(adapter, narrow, ask=("predictions", "gradients")))
    session = adapter.open_session(narrow.spec, narrow.weights, "cpu")
    session.forward(narrow.x)
    assert session.executed_path() == adapter.expected_path(narrow.spec, "cpu")
    adapter_in_float64 = backends.load(KERAS_IN_FLOAT64)
    for fields, questions in QUESTIONS_BY_MODEL:
        spec = ModelSpec(**sizes, **fields, dtype="float64")
        print(assert_conforms(adapter_in_float64, problem(spec), ask=questions))


def check_cudnn() -> None:
    """Run the adapter's stack for a GPU with a stand-in for cuDNN that counts its calls, and
    compare it with the stack for a CPU."""
    import jax
    import jax.experimental.rnn as jax_rnn
    from conformance import problem

    from backends._keras import on_jax

    layers = []

    def reference(x: Any, h: Any, c: Any, weights: Any, ends: Any, **sizes: Any) -> Any:
        layers.append(x.shape)
        names = ("input_size", "hidden_size", "num_layers", "bidirectional")
        unpacked = jax_rnn.unpack_lstm_weights(weights, *(sizes[name] for name in names))
        return jax_rnn.lstm_ref(x, h, c, *unpacked, ends, **sizes)

    # The package has a function of the name of this module.
    keras_rnn: Any = sys.modules["keras.src.backend.jax.rnn"]
    keras_rnn._is_gpu_available = lambda: True
    jax_rnn.lstm = reference
    print(backends.load("keras-jax").expected_path(problem(LSTM).spec, "cuda"))
    for count in (1, 2):
        case = problem(replace(LSTM, layers=count))
        arrays = on_jax.native(case.spec, case.weights)
        assert not layers
        fast, slow = (
            jax.tree.leaves(run(case.spec, arrays, case.x))
            for run in (on_jax.run_by_cudnn, on_jax.run)
        )
        for ours, expected in zip(fast, slow, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-6)
        on_jax.run_by_cudnn(case.spec, arrays, case.x, np.full(len(case.x), 2))
        print(f"{len(layers)} layer{'s' * (count > 1)}")
        layers.clear()


if __name__ == "__main__":
    check_cudnn() if "cudnn" in sys.argv else main()
