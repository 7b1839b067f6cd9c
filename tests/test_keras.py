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
from bench.spec import ModelSpec, Unsupported

ROOT = Path(__file__).parents[1]
LSTM = ModelSpec(cell="lstm", inputs=2, hidden=3, outputs=5)
KERAS_IN_FLOAT64 = str(ROOT / "tests/plugins/keras_wide.py")
OTHER = {"jax": "torch", "torch": "jax"}
QUESTIONS_BY_MODEL: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (
        {"cell": "rnn", "layers": 2, "bidirectional": True, "readout": "every"},
        ("ragged from states", "hidden gradients"),
    ),
    (
        {"cell": "lstm", "layers": 2, "readout": "every", "loss": "cross_entropy", "decoder": 3},
        ("weights", "predictions", "ragged gradients"),
    ),
    ({"cell": "gru", "layers": 2, "bidirectional": True}, ("weights", "ragged training")),
    ({"cell": "gru", "gru": "reset_before", "readout": "every"}, ("pieces", "gradients")),
    ({"cell": "feedforward", "bidirectional": True}, ("ragged gradients",)),
]


@pytest.mark.parametrize("framework", OTHER)
def test_keras_computes_what_the_reference_computes_and_on_no_other_framework(
    framework: str, request: pytest.FixtureRequest
) -> None:
    """Keras on JAX also takes cuDNN where Keras would. Unless the suite is thorough, XLA compiles
    without LLVM's optimiser, in half the time: the formulas are checked."""
    thorough = request.config.getoption("--thorough")
    fast = {} if thorough else {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    process = subprocess.run(
        [sys.executable, "-W", "error", __file__],
        cwd=ROOT,
        env={
            **os.environ,
            **fast,
            "KERAS_BACKEND": framework,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT}/tests",
        },
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    refusal = f"Keras is set to compute with {framework}, not with {OTHER[framework]}"
    assert lines.pop(0).startswith(refusal)
    assert len(lines) == len(QUESTIONS_BY_MODEL) + 1
    assert all(line.endswith("arrays agree") for line in lines)


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


# ---- in the process of one framework -----------------------------------------------------------


def main(framework: str) -> None:
    """Check the adapter of this framework; raises where an array differs."""
    from conformance import assert_conforms, problem

    try:
        backends.load(f"keras-{OTHER[framework]}").open_session(LSTM, {}, "cpu")
    except Unsupported as refusal:
        print(refusal)
    adapter, narrow = backends.load(f"keras-{framework}"), problem(LSTM)
    print(assert_conforms(adapter, narrow, ask=("predictions", "gradients")))
    session = adapter.open_session(narrow.spec, narrow.weights, "cpu")
    session.forward(narrow.x)
    assert session.executed_path() == adapter.expected_path(narrow.spec, "cpu")
    adapter_in_float64 = backends.load(KERAS_IN_FLOAT64)
    for fields, questions in QUESTIONS_BY_MODEL:
        spec = replace(LSTM, **fields, dtype="float64")
        print(assert_conforms(adapter_in_float64, problem(spec), ask=questions))
    if framework == "jax":
        check_cudnn()


def check_cudnn() -> None:
    """Run the adapter's stack for a GPU, in which JAX's own definition of
    `jax.experimental.rnn.lstm` stands in for cuDNN, and compare it with the stack for a CPU."""
    import jax
    import jax.experimental.rnn as jax_rnn
    from conformance import problem

    from backends._keras import on_jax

    layers = []

    def lstm(x: Any, h: Any, c: Any, weights: Any, ends: Any, **sizes: Any) -> Any:
        layers.append(x.shape)
        names = ("input_size", "hidden_size", "num_layers", "bidirectional")
        unpacked = jax_rnn.unpack_lstm_weights(weights, *(sizes[name] for name in names))
        return jax_rnn.lstm_ref(x, h, c, *unpacked, ends, **sizes)

    # The package has a function of the name of this module.
    keras_rnn: Any = sys.modules["keras.src.backend.jax.rnn"]
    keras_rnn._is_gpu_available = lambda: True
    jax_rnn.lstm = lstm
    p = problem(replace(LSTM, layers=2))
    assert backends.load("keras-jax").expected_path(p.spec, "cuda") == "cudnn"
    arrays, lengths = on_jax.native(p.spec, p.weights), np.full(len(p.x), 2)
    expected = jax.tree.leaves(on_jax.run(p.spec, arrays, p.x))
    assert not layers
    by_cudnn = jax.tree.leaves(on_jax.run_by_cudnn(p.spec, arrays, p.x))
    for array, other in zip(by_cudnn, expected, strict=True):
        np.testing.assert_allclose(array, other, atol=1e-6)
    assert len(layers) == 2
    on_jax.run_by_cudnn(p.spec, arrays, p.x, lengths)
    assert len(layers) == 2, "unequal lengths do not run by cuDNN"


if __name__ == "__main__":
    main(os.environ["KERAS_BACKEND"])
