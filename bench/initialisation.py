"""Initialisation schemes: how each canonical array of weights is drawn.

Schemes from papers:

- `uniform`: every array, biases too, from U(−1/√H, 1/√H), as PyTorch's recurrent layers do;
- `orthogonal`: `w` and the readout from U(±√(6/(fan in + fan out))) (Glorot & Bengio 2010, with
  the fan out of one gate); each H × H block of `u` a random orthogonal matrix (Saxe, McClelland &
  Ganguli 2014); biases zero except the lstm's forget gate, which is 1 (Jozefowicz, Zaremba &
  Sutskever 2015);
- `chrono`: `orthogonal` with the biases of Tallec & Ollivier 2018 (arXiv 1804.11188). For
  sequences of T steps the lstm's forget gate is log U(1, T − 1), its input gate the negative of
  that, and the others zero. The gru's z, which is the kept share of the state like the forget
  gate, is log U(1, T − 1);
- `identity`: `u` the identity, biases zero, all other weights from N(0, 0.001²) (Le, Jaitly &
  Hinton 2015, arXiv 1504.00941; their units are rectified, here they are tanh);
- `lstm-1997`: every array, biases too, from U(±0.1), except two gates of the lstm (Hochreiter &
  Schmidhuber 1997, experiment 6a). The input gate is almost closed at first: −2 for half of the
  units and −4 for the others. The forget gate, which their network does not have, is 20: float32
  then computes 1 for it and 0 for its derivative.

Schemes of the frameworks: the default of their layers and of their dense readout. The feedforward
cell is their dense layer.

- `torch`: U(±1/√H), dense layers U(±1/√inputs). Unlike in `uniform`, `b` is the sum of two such
  draws where PyTorch adds two biases: the network computes the same function with one bias;
- `equinox`: U(±1/√H) and one bias, dense layers U(±1/√inputs);
- `keras`: `w` and the readout from U(±√(6/(fan in + fan out))) with the fan out of all gates, `u`
  one (G·H, H) matrix with orthonormal columns, biases zero except the forget gate's 1;
- `flax` (NNX): `w` and the readout from a normal distribution cut off at two deviations, with
  variance 1/inputs (LeCun et al. 1998); `u` orthogonal for each gate of the lstm, which is
  `LSTMCell` (`OptimizedLSTMCell` draws as `keras` does), otherwise as in `keras`; biases zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from bench.spec import CELLS, Array, ModelSpec


@dataclass(frozen=True)
class ArrayToFill:
    """One canonical array that a scheme fills.

    `inputs` is the input width of its layer or of the readout; `time` the length of the sequences,
    which `chrono` needs.
    """

    spec: ModelSpec
    name: str
    shape: tuple[int, ...]
    inputs: int
    time: int | None

    @property
    def parameter(self) -> str:
        """The last part of its name: `w`, `u`, `b` or `b_hn`."""
        return self.name.rsplit(".", 1)[1]

    @property
    def readout(self) -> bool:
        """Whether it belongs to the readout."""
        return self.name.startswith("readout.")

    @property
    def dense(self) -> bool:
        """Whether it belongs to a dense layer: the readout, or a layer of the feedforward cell."""
        return self.readout or self.spec.cell == "feedforward"

    @property
    def gate_bias(self) -> bool:
        """Whether it is the bias of a recurrent layer's gates."""
        return self.parameter == "b" and not self.dense


# ---- the schemes ------------------------------------------------------------------------------


def _uniform(array: ArrayToFill, rng: np.random.Generator) -> Array:
    return _uniform_within(
        rng, 1 / sqrt(array.inputs if array.readout else array.spec.hidden), array.shape
    )


def _orthogonal(array: ArrayToFill, rng: np.random.Generator) -> Array:
    if array.parameter == "u":
        return _orthogonal_blocks(array, rng)
    if array.parameter == "w":
        fan_out = array.shape[0] if array.readout else array.spec.hidden
        return _uniform_within(rng, sqrt(6 / (array.inputs + fan_out)), array.shape)
    return _zeros_but_forget_gate(array)


def _chrono(array: ArrayToFill, rng: np.random.Generator) -> Array:
    if not array.gate_bias:
        return _orthogonal(array, rng)
    assert array.time is not None
    bias, spec = np.zeros(array.shape), array.spec
    kept = np.log(rng.uniform(1, array.time - 1, spec.hidden))
    bias[gate_rows(spec, 1)] = kept
    if spec.cell == "lstm":
        bias[gate_rows(spec, 0)] = -kept
    return bias


def _identity(array: ArrayToFill, rng: np.random.Generator) -> Array:
    if array.parameter == "u":
        return np.eye(array.spec.hidden)
    return rng.normal(0, 0.001, array.shape) if array.parameter == "w" else np.zeros(array.shape)


def _lstm_1997(array: ArrayToFill, rng: np.random.Generator) -> Array:
    value, spec = _uniform_within(rng, 0.1, array.shape), array.spec
    if array.gate_bias:
        value[gate_rows(spec, 0)] = np.where(np.arange(spec.hidden) < spec.hidden / 2, -2, -4)
        value[gate_rows(spec, 1)] = 20
    return value


def _torch(array: ArrayToFill, rng: np.random.Generator) -> Array:
    value = _equinox(array, rng)
    if array.gate_bias:
        second = _equinox(array, rng)
        if array.spec.cell == "gru" and array.spec.gru == "reset_after":
            second[gate_rows(array.spec, 2)] = 0  # the second bias of n is b_hn
        value += second
    return value


def _equinox(array: ArrayToFill, rng: np.random.Generator) -> Array:
    return _uniform_within(
        rng, 1 / sqrt(array.inputs if array.dense else array.spec.hidden), array.shape
    )


def _keras(array: ArrayToFill, rng: np.random.Generator) -> Array:
    if array.parameter == "u":
        return _orthonormal(rng, *array.shape)
    if array.parameter == "w":
        return _uniform_within(rng, sqrt(6 / sum(array.shape)), array.shape)
    return _zeros_but_forget_gate(array)


def _flax(array: ArrayToFill, rng: np.random.Generator) -> Array:
    if array.parameter == "u":
        return (_orthogonal_blocks if array.spec.cell == "lstm" else _keras)(array, rng)
    if array.parameter == "w":
        return _truncated_normal(rng, array.shape) / sqrt(array.inputs)
    return np.zeros(array.shape)


DRAWS: Mapping[str, Callable[[ArrayToFill, np.random.Generator], Array]] = {
    "uniform": _uniform,
    "orthogonal": _orthogonal,
    "chrono": _chrono,
    "identity": _identity,
    "lstm-1997": _lstm_1997,
    "torch": _torch,
    "keras": _keras,
    "flax": _flax,
    "equinox": _equinox,
}
SCHEMES = tuple(DRAWS)
"""The names of all schemes."""

APPLICABLE_CELLS = {
    "chrono": (("lstm", "gru"), "it has no gate that keeps the state"),
    "identity": (("rnn",), "it is made for the plain recurrent matrix of the rnn"),
    "lstm-1997": (("lstm",), "its gates are the lstm's"),
    "equinox": (("lstm", "gru", "feedforward"), "Equinox has no such cell"),
}
"""The cells of the schemes that do not apply to every cell, and why."""


def scheme_limit(scheme: str, cell: str) -> str | None:
    """Why an initialisation scheme does not apply to a cell; None where it does."""
    cells, reason = APPLICABLE_CELLS.get(scheme, (CELLS, ""))
    return None if cell in cells else f"{scheme} does not apply to the {cell} cell: {reason}"


# ---- draws that several schemes share --------------------------------------------------------


def gate_rows(spec: ModelSpec, gate: int) -> slice:
    """The rows of one gate, by its number in the canonical order."""
    return slice(gate * spec.hidden, (gate + 1) * spec.hidden)


def _uniform_within(rng: np.random.Generator, bound: float, shape: tuple[int, ...]) -> Array:
    return rng.uniform(-bound, bound, shape)


def _zeros_but_forget_gate(array: ArrayToFill) -> Array:
    """Zeros, but ones for the lstm's forget gate."""
    value = np.zeros(array.shape)
    if array.spec.cell == "lstm" and array.gate_bias:
        value[gate_rows(array.spec, 1)] = 1
    return value


def _orthogonal_blocks(array: ArrayToFill, rng: np.random.Generator) -> Array:
    size = array.spec.hidden
    return np.concatenate([_orthonormal(rng, size, size) for _ in range(array.spec.gates)])


def _orthonormal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """A matrix with orthonormal columns, uniformly distributed: the Q of a normal matrix, with the
    signs of R's diagonal (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    return np.asarray(q * np.sign(np.diag(r)))


def _truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A normal distribution cut off at two deviations, scaled back to variance 1."""
    value = rng.standard_normal(shape)
    while (outside := np.abs(value) > 2).any():
        value[outside] = rng.standard_normal(int(outside.sum()))
    return value / 0.87962566103423978  # its standard deviation after the cut
