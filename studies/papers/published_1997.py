"""The figures that Hochreiter & Schmidhuber 1997 report, and notes on how our settings differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studies.experiment import SEQUENCES, SOLVED, PublishedFigure, single_value

GROUP = "Hochreiter & Schmidhuber 1997"
PUBLISHED_SEQUENCES = {
    "1": 9_500,
    "2c, p = q = 50": 30_000,
    "3a": 27_380,
    "4, T = 100": 74_000,
    "6a": 31_390,
    "6b": 571_100,
}
"""The training sequences that the paper reports for the experiments that are trained in both
manners; for 1, with the units and the learning rate of `trained_as_in_1997`."""


@dataclass(frozen=True)
class Lstm1997:
    """The sizes of an LSTM of the paper. Each block has `cells` memory cells, an input gate and an
    output gate. The hidden layer of cells and gates is fully connected and reads the inputs; the
    outputs read the cells. `biased` names the units that have a trained bias."""

    inputs: int
    outputs: int
    blocks: int
    cells: int
    biased: tuple[str, ...] = ("cells", "gates", "outputs")

    @property
    def weights(self) -> int:
        """The number of weights and biases."""
        units = {
            "cells": self.blocks * self.cells,
            "gates": 2 * self.blocks,
            "outputs": self.outputs,
        }
        hidden = units["cells"] + units["gates"]
        connections = hidden * (self.inputs + hidden) + self.outputs * units["cells"]
        return connections + sum(units[kind] for kind in self.biased)


def elman_weights(inputs: int, hidden: int, outputs: int) -> int:
    """The number of weights of an Elman network without biases."""
    return hidden * (inputs + hidden) + outputs * hidden


_TWO_SEQUENCES = Lstm1997(1, 1, blocks=3, cells=1, biased=("cells", "gates"))
_TWO_NUMBERS = Lstm1997(2, 1, blocks=2, cells=2)
NETWORKS: Mapping[str, Sequence[Lstm1997]] = {
    "1": [
        Lstm1997(7, 7, blocks=4, cells=1, biased=("gates",)),
        Lstm1997(7, 7, blocks=3, cells=2, biased=("gates",)),
    ],
    "2c, p = q = 50": [Lstm1997(54, 2, blocks=2, cells=1, biased=())],
    "2c, p = q = 100": [Lstm1997(104, 2, blocks=2, cells=1, biased=())],
    "3a": [_TWO_SEQUENCES],
    "3b": [_TWO_SEQUENCES],
    "3c": [_TWO_SEQUENCES],
    "4, T = 100": [_TWO_NUMBERS],
    "4, T = 500": [_TWO_NUMBERS],
    "5": [_TWO_NUMBERS],
    "6a": [Lstm1997(8, 4, blocks=2, cells=2)],
    "6b": [Lstm1997(8, 8, blocks=3, cells=2)],
}
"""The networks of the paper by experiment: several where it used several. Those of 2a and 2b, which
have direct connections and grow while they learn, are left out."""
WEIGHTS = {
    name: "–".join(f"{network.weights:,}" for network in networks)
    for name, networks in NETWORKS.items()
}
"""The number of weights of these networks, worked out from their sizes."""
ELMAN_WEIGHTS = f"{elman_weights(7, 15, 7):,}"
"""Those of the Elman network of experiment 1."""

TRAINED_BY_ADAM = (
    "Our LSTM has forget gates and is trained by Adam, in batches. Compare the rows trained as in "
    "1997 (plain gradient descent, one sequence at a time, as many units as the paper has cells, "
    "no forget gate, small weights, input gates that are almost closed at first), and the rows of "
    "6a with fewer units and with batches of one sequence. The training of 1997 was not tried for "
    "2c with p = 100, 3b, 3c, 4 with T = 500, and 5."
)
LAST_2000_RIGHT = (
    "The paper counts sequences until the last 2,000 were right; we count until all held-out "
    "sequences are right at a checkpoint."
)
FEWER_THAN_140_WRONG = (
    "The paper counts until fewer than 140 of the last 2,000 training sequences are wrong; we "
    "count until fewer than 140 of 2,000 held-out sequences are wrong at a checkpoint."
)
HELD_OUT_2000 = "We require 2,000 right sequences, the paper 10,000."
HELD_OUT_2A_2B = (
    "We require 100 right held-out sequences in 2a, where only two different sequences exist, and "
    "1,000 in 2b; the paper requires 10,000."
)
PREDICTS_EVERY_SYMBOL = (
    "The prediction of every symbol takes up cells that should keep the first symbol: compare the "
    "rows in which only the last symbol is predicted. The network of the paper has direct "
    "connections from input to output that predict the other symbols, and it adds its memory cell "
    "once the error has stopped falling (section 5.2; section 4 calls this the abuse problem)."
)


def none_solved(cell: str, weights: str = "") -> PublishedFigure:
    """Not one trial solved the task."""
    return PublishedFigure(cell, SOLVED, 0.0, 0.0, 0.0, weights=weights)


def sequences_until_solved(sequences: float, weights: str = "") -> PublishedFigure:
    """The mean over the trials of an LSTM."""
    return single_value("lstm", SEQUENCES, sequences, weights)
