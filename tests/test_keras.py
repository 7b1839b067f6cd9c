"""Keras on JAX and on PyTorch, each in a process of its own, since Keras takes its backend from
the environment when it is imported. The formulas are held to 1e-9 in float64, which Keras rounds
unless it is kept from it (`tests/plugins/keras_wide.py`); as they are, the adapters are held to
what float32 can do. All questions of all models: `pytest tests/test_conformance.py --backends
keras-jax`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
WIDE = str(ROOT / "tests/plugins/keras_wide.py")
CHOSEN: list[tuple[dict[str, Any], tuple[str, ...]]] = [
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


def in_a_process(keras: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": keras, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT}/tests"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("keras", ["jax", "torch"])
def test_keras_computes_what_the_reference_computes(keras: str) -> None:
    done = in_a_process(keras, __file__)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("arrays agree") == len(CHOSEN) + 1


@pytest.mark.parametrize(("keras", "other"), [("jax", "torch"), ("torch", "jax")])
def test_keras_set_to_another_backend_is_refused(keras: str, other: str) -> None:
    done = in_a_process(other, "-c", REFUSED.format(keras=keras))
    assert done.returncode == 0, done.stderr
    assert f"Keras is set to compute with {other}" in done.stdout


REFUSED = """
import backends
from bench.spec import ModelSpec, Unsupported

spec = ModelSpec(cell="lstm", inputs=1, hidden=2, outputs=1)
try:
    backends.load("keras-{keras}").open_session(spec, {{}}, "cpu")
except Unsupported as error:
    print(error)
"""


def main() -> None:
    """What the process of one backend does: raises where something differs."""
    from conformance import assert_conforms, problem

    import backends
    from bench.spec import ModelSpec

    sizes = {"inputs": 2, "hidden": 3, "outputs": 5}
    own = backends.load(f"keras-{os.environ['KERAS_BACKEND']}")
    narrow = problem(ModelSpec(cell="lstm", **sizes))
    print(assert_conforms(own, narrow, ask=("predictions", "gradients")))
    session = own.open_session(narrow.spec, narrow.weights, "cpu")
    session.forward(narrow.x)
    assert session.executed_path() == own.expected_path(narrow.spec, "cpu")
    wide = backends.load(WIDE)
    for more, ask in CHOSEN:
        spec = ModelSpec(**sizes, **more, dtype="float64")
        print(assert_conforms(wide, problem(spec), ask=ask))


if __name__ == "__main__":
    main()
