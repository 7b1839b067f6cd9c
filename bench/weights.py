"""Canonical weights: names, shapes and seeded initial values, the same for every backend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np

from bench.spec import CELLS, Array, ModelSpec


def weight_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Shape by canonical name: `w (G·H, D)`, `u (G·H, H)`, `b (G·H,)`, `b_hn (H,)` for each
    layer and direction (a decoder's behind the prefix `decoder.`), then
    `readout.w (O, H × directions)` and `readout.b (O,)`."""
    cell, variant = CELLS[spec.cell], spec.gru if CELLS[spec.cell].variants else ""
    result: dict[str, tuple[int, ...]] = {}
    for prefix, inputs in layer_inputs(spec):
        result |= {prefix + n: s for n, s in cell.shapes(inputs, spec.hidden, variant).items()}
    result["readout.w"] = (spec.outputs, spec.hidden * spec.directions)
    result["readout.b"] = (spec.outputs,)
    return result


def layer_inputs(spec: ModelSpec) -> list[tuple[str, int]]:
    """The name prefix and the input width of each layer and direction, in order."""
    directions = ("forward", "backward")[: spec.directions]
    own = [
        (
            f"layers.{layer}.{direction}.",
            spec.inputs if layer == 0 else spec.hidden * len(directions),
        )
        for layer in range(spec.layers)
        for direction in directions
    ]
    written = layer_inputs(spec.decoding) if spec.decoder else []
    return own + [(f"decoder.{prefix}", inputs) for prefix, inputs in written]


def initial_weights(
    spec: ModelSpec,
    rng: np.random.Generator,
    scheme: str = "uniform",
    *,
    forget_bias: float | None = None,
    time: int | None = None,
) -> dict[str, Array]:
    """Initial weights in float64 rounded through float32, so that all dtypes start equal.

    Schemes of the field:

    - `uniform`: every array, biases too, from U(−1/√H, 1/√H), as PyTorch's recurrent layers do;
    - `orthogonal`: `w` and the readout from U(±√(6/(fan in + fan out))) (Glorot & Bengio 2010,
      fan out counted for one gate), each H × H block of `u` a random orthogonal matrix (Saxe,
      McClelland & Ganguli 2014), biases zero but for the lstm's forget gate, which is 1
      (Jozefowicz, Zaremba & Sutskever 2015);
    - `chrono`: `orthogonal` with the biases of Tallec & Ollivier 2018 (arXiv 1804.11188): the
      lstm's forget gate log U(1, T − 1) and its input gate the negative of that, the others zero,
      T being `time`, the length of the sequences. The gru's z, like the forget gate the share of
      the state that is kept, gets log U(1, T − 1);
    - `identity`: `u` the identity, biases zero, all other weights from N(0, 0.001²) (Le, Jaitly &
      Hinton 2015, arXiv 1504.00941, whose units are rectified where ours are tanh);
    - `lstm-1997`: every array, biases too, from U(±0.1), but for the lstm's input gate, which is
      all but closed at first, −2 for half of the units and −4 for the others (Hochreiter &
      Schmidhuber 1997, experiment 6a), and the forget gate, which they did not have: 20, at which
      float32 takes it for 1 and its derivative for 0.

    Schemes of the frameworks, as their layers and their dense readout start by default; the
    feedforward cell is their dense layer:

    - `torch`: U(±1/√H), dense layers U(±1/√inputs). Unlike `uniform`, `b` is the sum of two such
      draws where PyTorch adds two biases: the network computes the same function, with one bias;
    - `equinox`: U(±1/√H) and one bias, dense layers U(±1/√inputs);
    - `keras`: `w` and the readout from U(±√(6/(fan in + fan out))), fan out counted for all gates,
      `u` one (G·H, H) matrix with orthonormal columns, biases zero but for the forget gate's 1;
    - `flax` (NNX): `w` and the readout from a normal distribution cut off at two deviations, with
      variance 1/inputs (LeCun et al. 1998), `u` orthogonal for each gate of the lstm, which is
      `LSTMCell` (`OptimizedLSTMCell` draws as `keras` does), otherwise as in `keras`, biases zero.

    `forget_bias` replaces the bias of the lstm's forget gate, other cells have none. ValueError
    where the scheme does not apply to the cell (`scheme_limit`) or `time` is missing.
    """
    _check(spec, scheme, forget_bias, time)
    inputs = {**dict(layer_inputs(spec)), "readout.": spec.hidden * spec.directions}
    weights = {}
    for name, shape in weight_shapes(spec).items():
        owner = name[: name.rindex(".") + 1]
        array = Slot(spec, name, shape, inputs[owner], time)
        weights[name] = DRAWS[scheme](array, rng)
        if forget_bias is not None and array.gate_bias and spec.cell == "lstm":
            weights[name][_block(spec, 1)] = forget_bias
    return {name: value.astype(np.float32).astype(spec.storage) for name, value in weights.items()}


def scheme_limit(scheme: str, cell: str) -> str | None:
    """Why an initialisation scheme does not apply to a cell; None where it does."""
    cells, why = _ONLY.get(scheme, (CELLS, ""))
    return None if cell in cells else f"{scheme} does not apply to the {cell} cell: {why}"


def _check(spec: ModelSpec, scheme: str, forget_bias: float | None, time: int | None) -> None:
    if scheme not in DRAWS:
        raise ValueError(f"initialisation must be one of {', '.join(DRAWS)}, not {scheme!r}")
    if limit := scheme_limit(scheme, spec.cell):
        raise ValueError(limit)
    if forget_bias is not None and not isfinite(forget_bias):
        raise ValueError(f"forget_bias must be a finite number, not {forget_bias!r}")
    if scheme == "chrono" and (time is None or time < 3):
        raise ValueError(f"chrono needs sequences of at least 3 steps, not time={time!r}")


# ---- the schemes: one array each call --------------------------------------------------------


@dataclass(frozen=True)
class Slot:
    """One canonical array to fill."""

    spec: ModelSpec
    name: str
    shape: tuple[int, ...]
    inputs: int
    """The width of what its layer, or the readout, reads."""

    time: int | None

    @property
    def kind(self) -> str:
        """`w`, `u`, `b` or `b_hn`."""
        return self.name.rsplit(".", 1)[1]

    @property
    def readout(self) -> bool:
        return self.name.startswith("readout.")

    @property
    def dense(self) -> bool:
        """Without recurrence: the readout, and every layer of the feedforward cell."""
        return self.readout or self.spec.cell == "feedforward"

    @property
    def gate_bias(self) -> bool:
        return self.kind == "b" and not self.dense


def _uniform(array: Slot, rng: np.random.Generator) -> Array:
    return _within(rng, 1 / sqrt(array.inputs if array.readout else array.spec.hidden), array.shape)


def _orthogonal(array: Slot, rng: np.random.Generator) -> Array:
    if array.kind == "u":
        return _orthogonal_blocks(array, rng)
    if array.kind == "w":
        fan_out = array.shape[0] if array.readout else array.spec.hidden
        return _within(rng, sqrt(6 / (array.inputs + fan_out)), array.shape)
    return _unit_forget(array)


def _chrono(array: Slot, rng: np.random.Generator) -> Array:
    if not array.gate_bias:
        return _orthogonal(array, rng)
    assert array.time is not None
    value, spec = np.zeros(array.shape), array.spec
    keep = np.log(rng.uniform(1, array.time - 1, spec.hidden))
    value[_block(spec, 1)] = keep
    if spec.cell == "lstm":
        value[_block(spec, 0)] = -keep
    return value


def _identity(array: Slot, rng: np.random.Generator) -> Array:
    if array.kind == "u":
        return np.eye(array.spec.hidden)
    return rng.normal(0, 0.001, array.shape) if array.kind == "w" else np.zeros(array.shape)


def _lstm_1997(array: Slot, rng: np.random.Generator) -> Array:
    value, spec = _within(rng, 0.1, array.shape), array.spec
    if array.gate_bias:
        value[_block(spec, 0)] = np.where(np.arange(spec.hidden) < spec.hidden / 2, -2, -4)
        value[_block(spec, 1)] = 20
    return value


def _torch(array: Slot, rng: np.random.Generator) -> Array:
    value = _equinox(array, rng)
    if array.gate_bias:
        second = _equinox(array, rng)
        if array.spec.cell == "gru" and array.spec.gru == "reset_after":
            second[_block(array.spec, 2)] = 0  # the candidate's is b_hn
        value += second
    return value


def _equinox(array: Slot, rng: np.random.Generator) -> Array:
    return _within(rng, 1 / sqrt(array.inputs if array.dense else array.spec.hidden), array.shape)


def _keras(array: Slot, rng: np.random.Generator) -> Array:
    if array.kind == "u":
        return _orthonormal(rng, *array.shape)
    if array.kind == "w":
        return _within(rng, sqrt(6 / sum(array.shape)), array.shape)
    return _unit_forget(array)


def _flax(array: Slot, rng: np.random.Generator) -> Array:
    if array.kind == "u":
        return (_orthogonal_blocks if array.spec.cell == "lstm" else _keras)(array, rng)
    if array.kind == "w":
        return _cut_normal(rng, array.shape) / sqrt(array.inputs)
    return np.zeros(array.shape)


DRAWS: Mapping[str, Callable[[Slot, np.random.Generator], Array]] = {
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

_ONLY = {
    "chrono": (("lstm", "gru"), "it has no gate that keeps the state"),
    "identity": (("rnn",), "it is made for the plain recurrent matrix of the rnn"),
    "lstm-1997": (("lstm",), "its gates are the lstm's"),
    "equinox": (("lstm", "gru", "feedforward"), "Equinox has no such cell"),
}
"""The cells of the schemes that are not for all, and why."""


# ---- what they are made of -------------------------------------------------------------------


def _block(spec: ModelSpec, gate: int) -> slice:
    """The rows of one gate."""
    return slice(gate * spec.hidden, (gate + 1) * spec.hidden)


def _within(rng: np.random.Generator, bound: float, shape: tuple[int, ...]) -> Array:
    return rng.uniform(-bound, bound, shape)


def _unit_forget(array: Slot) -> Array:
    """Zeros, and ones for the lstm's forget gate."""
    value = np.zeros(array.shape)
    if array.spec.cell == "lstm" and array.gate_bias:
        value[_block(array.spec, 1)] = 1
    return value


def _orthogonal_blocks(array: Slot, rng: np.random.Generator) -> Array:
    size = array.spec.hidden
    return np.concatenate([_orthonormal(rng, size, size) for _ in range(array.spec.gates)])


def _orthonormal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Orthonormal columns, uniformly distributed: QR of a normal matrix, signs fixed (Mezzadri
    2007)."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    return np.asarray(q * np.sign(np.diag(r)))


def _cut_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A normal distribution cut off at two deviations, scaled back to variance 1."""
    value = rng.standard_normal(shape)
    while (outside := np.abs(value) > 2).any():
        value[outside] = rng.standard_normal(int(outside.sum()))
    return value / 0.87962566103423978  # the deviation of what is left
