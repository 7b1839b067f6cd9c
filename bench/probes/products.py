"""The matrix products that a model cannot avoid, in their order: one list from which operations are
counted and the floor of a time is measured.

A layer and direction with D inputs, H units, G gates, batch B and time T has these products, rows ×
inner by inner × columns. Forward: T·B × D by D × GH for all inputs at once, then T products
B × H by H × GH, each of which needs the one before it. Backward: T products B × GH by GH × H, each
of which needs the one before it, then GH × TB by TB × H for dL/dU and GH × TB by TB × D for dL/dW.
A layer above the first passes dL/dx on: TB × GH by GH × D. The readout has one product forward
and two backward. A gru that resets before the product has two products a step, since those of n
need r.

Elementwise work and the optimiser have no products. Nothing is gained from an initial state of
zeros, although its product could be left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from bench.spec import CELLS, ModelSpec
from bench.spec.cells import RESET_BEFORE
from bench.weights import layer_inputs


class Product(NamedTuple):
    """Matrices of `rows × inner` and `inner × columns`, multiplied so many `times`, one after the
    other."""

    rows: int
    inner: int
    columns: int
    times: int = 1


def operations(products: Iterable[Product]) -> int:
    """Floating-point operations: a multiplication and an addition for each pair of elements."""
    return sum(2 * p.rows * p.inner * p.columns * p.times for p in products)


def forward_products(model: ModelSpec, batch: int, time: int) -> list[Product]:
    """The products of the phase `forward` on a batch of sequences of `time` steps.

    A decoder reads its own outputs, so that each of its steps waits for the one before it.
    """
    if not model.decoder:
        return [*_layers_forward(model, batch, time), *_readout_forward(model, batch, time)]
    one_step = [
        *_layers_forward(model.decoding, batch, 1),
        *_readout_forward(model.decoding, batch, 1),
    ]
    generated = [step._replace(times=step.times * model.decoder) for step in one_step]
    return [*_layers_forward(_encoder(model), batch, time), *generated]


def training_products(model: ModelSpec, batch: int, time: int) -> list[Product]:
    """The products of the phases `gradients` and `step`: the forward pass, then the gradients of
    all weights. dL/dx of the first layer is not among them: no weight needs it.

    A decoder is trained on the targets, which are all known before its first step.
    """
    decoder = [(model.decoding, model.decoder)] if model.decoder else []
    stacks = [(_encoder(model), time), *decoder]
    top, steps = stacks[-1]
    return [
        *(p for stack, length in stacks for p in _layers_forward(stack, batch, length)),
        *_readout_forward(top, batch, steps),
        *_readout_backward(top, batch, steps),
        *(p for stack, length in reversed(stacks) for p in _layers_backward(stack, batch, length)),
    ]


def _encoder(model: ModelSpec) -> ModelSpec:
    return replace(model, decoder=0)


def _layers_forward(stack: ModelSpec, batch: int, time: int) -> Iterator[Product]:
    hidden = stack.hidden
    for _, inputs in layer_inputs(stack):
        yield Product(time * batch, inputs, stack.gates * hidden)
        yield from (Product(batch, hidden, rows, time) for rows in _recurrent_rows(stack))


def _layers_backward(stack: ModelSpec, batch: int, time: int) -> Iterator[Product]:
    hidden, positions, rows_w = stack.hidden, time * batch, stack.gates * stack.hidden
    directions = list(enumerate(layer_inputs(stack)))
    for number, (_, inputs) in reversed(directions):
        rows_u = _recurrent_rows(stack)
        yield from (Product(batch, rows, hidden, time) for rows in reversed(rows_u))
        yield from (Product(rows, positions, hidden) for rows in rows_u)
        yield Product(rows_w, positions, inputs)
        if number >= stack.directions:
            yield Product(positions, rows_w, inputs)


def _recurrent_rows(stack: ModelSpec) -> tuple[int, ...]:
    """The rows of U in each product of a step; none without recurrence."""
    if not CELLS[stack.cell].recurrent:
        return ()
    if CELLS[stack.cell].variants and stack.gru == RESET_BEFORE:
        return (stack.gates - 1) * stack.hidden, stack.hidden
    return (stack.gates * stack.hidden,)


def _readout_forward(top: ModelSpec, batch: int, time: int) -> Iterator[Product]:
    yield Product(_positions(top, batch, time), top.hidden * top.directions, top.outputs)


def _readout_backward(top: ModelSpec, batch: int, time: int) -> Iterator[Product]:
    positions, features = _positions(top, batch, time), top.hidden * top.directions
    yield Product(positions, top.outputs, features)
    yield Product(top.outputs, positions, features)


def _positions(top: ModelSpec, batch: int, time: int) -> int:
    """How many states the readout reads."""
    return batch if top.readout == "last" else batch * time
