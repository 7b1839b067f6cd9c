"""The model, and how it is trained: the same description for every backend."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import inf
from numbers import Integral, Real
from typing import Any

from numpy.typing import NDArray

from bench.spec.cells import CELLS, GRU_VARIANTS

Array = NDArray[Any]
Params = Mapping[str, Array]

READOUTS = ("last", "every")
LOSSES = ("mse", "cross_entropy")
DTYPES = ("bfloat16", "float32", "float64")
OPTIMISERS = ("adam", "sgd")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise `ValueError` unless the value of the setting `name` is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _check_positive(name: str, value: Any, number_type: Any = Real) -> None:
    if isinstance(value, bool) or not isinstance(value, number_type) or not 0 < value < inf:
        noun = "whole number" if number_type is Integral else "number"
        raise ValueError(f"{name} must be a positive {noun}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One recurrent network with a linear readout.

    Input is batch-major `(batch, time, inputs)`. Each of `layers` layers has `hidden` units a
    direction; a bidirectional layer hands the concatenation (forward, backward) to the next.
    `readout="last"` maps each direction's own final state to `(batch, outputs)`: the forward
    state at the true end of the sequence and the backward state at step 0. `readout="every"`
    maps the state of every step to `(batch, time, outputs)`.

    The cells and their equations are in `bench.spec.cells`; `gru` chooses a form of the gru.

    Losses: `mse`, the mean over all elements of (prediction − target)², targets that are NaN
    left out when `readout="every"`; `cross_entropy`, the mean over positions of
    −log softmax(prediction)[class], positions labelled −1 left out.

    With `decoder`, the number of steps it writes, the layers are an encoder. A second stack of as
    many layers and units, the decoder, starts from their final states, and the readout maps its
    states to `(batch, decoder, outputs)` (Sutskever, Vinyals & Le 2014, arXiv 1409.3215). The
    decoder's input has `outputs + 1` features: the previous target (in training: teacher forcing)
    or its own previous output (in `predict`), one-hot for `cross_entropy`, and a last feature that
    is one at the first step only, the begin token. A missing target is fed as zeros; where outputs
    are equal, the first class counts as the largest.

    dtype `bfloat16` is mixed precision: weights, loss and optimiser are float32, and the layers
    compute on weights, inputs and states rounded to bfloat16.
    """

    cell: str
    inputs: int
    hidden: int
    outputs: int
    layers: int = 1
    bidirectional: bool = False
    readout: str = "last"
    loss: str = "mse"
    dtype: str = "float32"
    gru: str = "reset_after"
    decoder: int = 0

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, CELLS)
        check_choice("readout", self.readout, READOUTS)
        check_choice("loss", self.loss, LOSSES)
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("gru", self.gru, GRU_VARIANTS)
        for name in ("inputs", "hidden", "outputs", "layers"):
            _check_positive(name, getattr(self, name), Integral)
        if self.decoder:
            self._check_decoder()

    def _check_decoder(self) -> None:
        _check_positive("decoder", self.decoder, Integral)
        if not CELLS[self.cell].recurrent:
            raise ValueError("the feedforward cell has no state for a decoder to start from")
        if self.bidirectional:
            raise ValueError("a decoder starts from the states of a forward encoder only")
        if self.readout != "every":
            raise ValueError("a decoder's readout is every, not last")

    @property
    def decoding(self) -> "ModelSpec":
        """The spec of the decoder: a model that reads the outputs written so far."""
        return replace(self, inputs=self.outputs + 1, decoder=0)

    @property
    def storage(self) -> str:
        """The dtype of weights, inputs and gradients outside the layers."""
        return "float32" if self.dtype == "bfloat16" else self.dtype

    @property
    def directions(self) -> int:
        """2 for a bidirectional model, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def gates(self) -> int:
        """How many blocks of H rows `w`, `u` and `b` have."""
        return len(CELLS[self.cell].gates)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a session updates its weights.

    `adam` is Kingma & Ba 2015, algorithm 1: θ ← θ − lr · m̂ / (√v̂ + ε), with ε outside the bias
    correction of v. `sgd` is θ ← θ − lr · g, for which β₁, β₂ and ε do not count. With `clip_norm`
    the gradients of all trained parameters are first scaled by min(1, clip_norm / ‖g‖₂), ‖g‖₂
    being their global norm (Pascanu, Mikolov & Bengio 2013, algorithm 1).
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None
    optimiser: str = "adam"

    def __post_init__(self) -> None:
        check_choice("optimiser", self.optimiser, OPTIMISERS)
        for name in ("learning_rate", "epsilon"):
            _check_positive(name, getattr(self, name))
        if self.clip_norm is not None:
            _check_positive("clip_norm", self.clip_norm)
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)!r}")
