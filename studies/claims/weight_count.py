"""How many weights a stack of recurrent layers has, to give different cells equally many."""

from math import prod

from bench.spec import CELLS


def weight_count(cell: str, inputs: int, hidden: int, layers: int = 1) -> int:
    """The number of weights in a stack of layers, without the readout."""
    layer_inputs = [inputs, *[hidden] * (layers - 1)]
    shapes = [CELLS[cell].shapes(n, hidden, "reset_after").values() for n in layer_inputs]
    return sum(prod(shape) for layer in shapes for shape in layer)


def units_within(cell: str, inputs: int, most_weights: int, layers: int = 1) -> int:
    """The largest number of units with which a stack has at most `most_weights` weights."""
    hidden = 1
    while weight_count(cell, inputs, hidden + 1, layers) <= most_weights:
        hidden += 1
    return hidden
