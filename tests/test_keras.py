"""Keras on JAX and on PyTorch, each in a process of its own.

Keras takes its backend from the environment when it is imported. The formulas are held to 1e-9 in
float64, which Keras rounds to float32 unless it is stopped (`tests/plugins/keras_wide.py`); the
adapters as they are must be as close as float32 allows. Every question about every model:
`pytest tests/test_conformance.py --backends keras-jax`.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
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

    import backends
    from bench.spec import ModelSpec

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


if __name__ == "__main__":
    main()
