"""The models that are timed, with their weights and batch, and the call of a candidate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bench.probes.products import operations, training_products
from bench.spec import Array, ModelSpec, Params, Training
from bench.weights import initial_weights

CELLS = ("lstm", "gru", "rnn")
OUTPUTS = 1
EPSILON = 1e-12
"""Adam's ε, so small that it does not matter that Keras adds it inside the bias correction."""


class Shape(NamedTuple):
    """The sizes of a model and its batch."""

    batch: int
    time: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch}×{self.time}×{self.inputs}→{self.hidden}"


SHAPES: Mapping[str, Shape] = {
    "tiny": Shape(50, 50, 2, 32),
    "small": Shape(64, 100, 2, 128),
    "braun-1x320": Shape(64, 100, 123, 320),
    "fastrnns": Shape(64, 100, 512, 512),
    "products": Shape(64, 50, 512, 512),
    "single-step": Shape(1, 1, 7, 64),
}


@dataclass(frozen=True)
class Problem:
    """One layer and a readout of its last state, with the loss mse, in float32.

    It holds the canonical weights, a batch x `(batch, time, inputs)`, y `(batch, outputs)`, and the
    settings of Adam.
    """

    spec: ModelSpec
    weights: Params
    x: Array
    y: Array
    training: Training
    threads: int
    device: str = "cpu"

    @property
    def layer(self) -> dict[str, Array]:
        """The arrays of the layer: w, u, b and, for the gru, b_hn."""
        layer = {name: value for name, value in self.weights.items() if name.startswith("layers.")}
        return {name.rsplit(".", 1)[1]: value for name, value in layer.items()}

    @property
    def readout(self) -> tuple[Array, Array]:
        """The weights `(outputs, hidden)` and the bias `(outputs,)` of the readout."""
        return self.weights["readout.w"], self.weights["readout.b"]


def build_problem(shape: str, cell: str, threads: int, device: str = "cpu") -> Problem:
    """The model of a shape and cell, with its weights and its batch of standard normal numbers."""
    batch, time, inputs, hidden = SHAPES[shape]
    spec = ModelSpec(cell=cell, inputs=inputs, hidden=hidden, outputs=OUTPUTS)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, time, inputs), np.float32)
    y = rng.standard_normal((batch, OUTPUTS), np.float32)
    return Problem(
        spec, initial_weights(spec, rng), x, y, Training(epsilon=EPSILON), threads, device
    )


def flops(problem: Problem) -> int:
    """Floating-point operations of the matrix products in one step, as the speed probe counts
    them."""
    batch, time, _ = problem.x.shape
    return operations(training_products(problem.spec, batch, time))


class Call(NamedTuple):
    """What is timed: `run` leaves its result on the device, and `wait` blocks until it is there.

    `loss` makes one more step and returns its loss, or evaluates the model: the proof that it is
    the same model. It is None where there is nothing to prove.
    """

    run: Callable[[], Any]
    wait: Callable[[], Any]
    loss: Callable[[], float] | None
    steps: int = 1
    """Training steps in one `run`."""
