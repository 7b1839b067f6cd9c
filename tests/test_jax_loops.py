"""What XLA compiles the loops of `jax` to: no weight is copied or laid out anew at every step."""

import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import backends
from backends._jax import bptt_direction, bptt_weights
from backends._jax.bptt_weights import forward_weights
from bench.spec import ModelSpec
from bench.weights import initial_weights

CELLS = [
    ("rnn", "reset_after"),
    ("lstm", "reset_after"),
    ("gru", "reset_after"),
    ("gru", "reset_before"),
]
MOVES = "copy|transpose|slice|dynamic-slice"
"""The operations by which XLA stores a matrix once more."""
TIME = 19
"""Steps: several rounds of an unrolled loop, since XLA dissolves a loop of one round."""


def model(cell: str, gru: str) -> ModelSpec:
    """Two layers in both directions: the loops of each direction, forward and backward."""
    sizes = {"inputs": 3, "hidden": 16, "outputs": 2, "layers": 2, "bidirectional": True}
    return ModelSpec(cell=cell, gru=gru, readout="every", **sizes)


def compiled_update(backend: str, spec: ModelSpec, batch: int) -> str:
    """The text of a compiled training step."""
    weights = initial_weights(spec, np.random.default_rng(3))
    session: Any = backends.load(backend).open_session(spec, weights, "cpu").unchecked
    x, y = (session.put(np.zeros((batch, TIME, n))) for n in (spec.inputs, spec.outputs))
    workspace = session.stack.workspace(spec, batch, TIME)
    arguments = (session.weights, session.optimiser_state, x, y, None, workspace)
    return str(session._update.lower(*arguments).compile().as_text())


def weight_shapes(spec: ModelSpec) -> set[tuple[int, ...]]:
    """The shapes of W and U of all layers, and of U's blocks of gates, in both orientations."""
    inputs = {spec.inputs, spec.hidden, spec.hidden * spec.directions}
    gates = range(1, spec.gates + 1)
    shapes = {(n * spec.hidden, columns) for n in gates for columns in inputs}
    return shapes | {shape[::-1] for shape in shapes}


def computations(text: str) -> dict[str, list[str]]:
    """The lines of each computation of a compiled module, by its name."""
    by_name: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if header := re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\{$", line):
            lines = by_name[header[1]] = []
        lines.append(line)
    return by_name


def lines_of_loops(text: str) -> Iterator[str]:
    """The instructions of all loops, those of the computations that they call included."""
    by_name = computations(text)
    waiting, seen = re.findall(r" while\(.*\bbody=%?([\w.-]+)", text), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += re.findall(r"(?:calls|body|to_apply)=%?([\w.-]+)", "\n".join(by_name[name]))
            yield from by_name[name]


def weights_moved(text: str, shapes: set[tuple[int, ...]]) -> list[str]:
    """The instructions inside loops that store an array of one of these shapes anew."""
    moves = re.compile(rf"= f32\[([\d,]+)\]\S* (?:{MOVES})\(")
    return [
        line.strip()
        for line in lines_of_loops(text)
        if (match := moves.search(line)) and tuple(map(int, match[1].split(","))) in shapes
    ]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("cell", "gru"), CELLS)
def test_loops_do_not_move_the_weights(cell: str, gru: str, batch: int) -> None:
    spec = model(cell, gru)
    text = compiled_update("jax", spec, batch)
    assert " while(" in text
    assert weights_moved(text, weight_shapes(spec)) == []


class LaidOutAtEachStep:
    """The weights of the loop forward, but cut and transposed where a step reads them."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(forward_weights(*self.arguments), name)


@pytest.mark.parametrize(("cell", "gru"), CELLS)
def test_weights_moved_inside_a_loop_are_found(
    cell: str, gru: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bptt_direction, "forward_weights", LaidOutAtEachStep)
    no_barrier = SimpleNamespace(optimization_barrier=lambda matrices: matrices)
    monkeypatch.setattr(bptt_weights, "lax", no_barrier)
    spec = replace(model(cell, gru), outputs=3)  # no other test has compiled this model
    assert weights_moved(compiled_update("jax", spec, 1), weight_shapes(spec))
