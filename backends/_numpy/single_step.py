"""One step of a running sequence: the cells without a tape for a backward pass.

At batch 1 a call of NumPy takes longer than its arithmetic. So every array and every view of it is
made once; arrays are batch-major, `(B, ·)`; and σ(a) = (1 + tanh(a / 2)) / 2, so that all gates
take one tanh. The order of the gates is that of `lstm.py` and `gru.py`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backends._numpy.parameters import FlatParameters, reset_before
from bench.spec import CELLS, Array, ModelSpec

State = tuple[Array, ...]
"""h and, for the lstm, c of all layers, `(layers, B, H)`."""


class SingleStep:
    """The model at one step of a batch of this size. It reads the weights of the session, so an
    update changes its outputs."""

    def __init__(self, spec: ModelSpec, weights: FlatParameters, batch: int) -> None:
        self.batch = batch
        self._every, self._dtype = spec.readout == "every", weights.vector.dtype
        self._shape = (len(CELLS[spec.cell].states), spec.layers, batch, spec.hidden)
        cell = STEPS["gru_reset_before" if reset_before(spec) else spec.cell]
        self._layers = [
            cell(number, weights.with_prefix(f"layers.{number}.forward."), spec.hidden, batch)
            for number in range(spec.layers)
        ]
        self._readout = weights.arrays["readout.w"].T
        self._features = np.ones((batch, spec.hidden + 1), self._dtype)
        self._last_hidden = self._features[:, :-1]

    def __call__(self, x: Array, state: Any) -> tuple[Array, Any]:
        """The readout of x `(B, 1, inputs)` and the state after it, in new arrays."""
        if state is None:
            state = tuple(np.zeros(self._shape, self._dtype))
        elif not isinstance(state, tuple | list):
            state = (state,)
        after, below = np.empty(self._shape, self._dtype), x[:, 0]
        for layer in self._layers:
            layer.inputs[...] = below
            np.dot(layer.inputs_and_one, layer.w, layer.gates)
            below = layer(state, after)
        self._last_hidden[...] = below
        output = np.dot(self._features, self._readout)
        if self._every:
            output = output[:, None]
        return output, tuple(after) if len(after) > 1 else after[0]


class Layer:
    """The layer of this number, which is called with the state before the step, writes into the
    state after it, and returns its h.

    W x + b is in `gates` `(B, G·H)` by then: `inputs_and_one` `(B, D + 1)` ends with a column of
    ones, which multiplies the bias. `w` `(D + 1, G·H)` and `u` `(H, G·H)` are views of the weights;
    `recurrent` `(B, G·H)` and `scratch` `(B, H)` are overwritten.
    """

    def __init__(self, number: int, weights: Mapping[str, Array], hidden: int, batch: int) -> None:
        rows, columns = weights["w"].shape
        self.number, self.hidden, self.dtype = number, hidden, weights["w"].dtype
        self.w, self.u = weights["w"].T, weights.get("u", weights["w"][:, :0]).T
        self.inputs_and_one = np.ones((batch, columns), self.dtype)
        self.inputs = self.inputs_and_one[:, :-1]
        self.gates, self.recurrent = (np.empty((batch, rows), self.dtype) for _ in range(2))
        self.scratch = np.empty((batch, hidden), self.dtype)

    def blocks(self, array: Array) -> list[Array]:
        """Views of the blocks `(B, H)` of an array."""
        return np.split(array, array.shape[1] // self.hidden, axis=1)

    def __call__(self, before: State, after: Array) -> Array:
        raise NotImplementedError


class Feedforward(Layer):
    """h' = tanh(W x + b)."""

    def __call__(self, before: State, after: Array) -> Array:
        return np.tanh(self.gates, after[0, self.number])


class Rnn(Layer):
    """h' = tanh(W x + U h + b)."""

    def __call__(self, before: State, after: Array) -> Array:
        np.dot(np.asarray(before[0][self.number], self.dtype), self.u, self.recurrent)
        np.add(self.gates, self.recurrent, self.gates)
        return np.tanh(self.gates, after[0, self.number])


class Lstm(Layer):
    """c' = f∘c + i∘g, h' = o∘tanh(c'); the gates lie in the order o, i, f, g."""

    def __init__(self, number: int, weights: Mapping[str, Array], hidden: int, batch: int) -> None:
        super().__init__(number, weights, hidden, batch)
        self.o, self.i, self.f, self.g = self.blocks(self.gates)
        self.sigmoids = self.gates[:, : 3 * hidden]
        self.halves = np.full(3 * hidden, 0.5, self.dtype)
        self.scale = np.append(self.halves, np.ones(hidden, self.dtype))

    def __call__(self, before: State, after: Array) -> Array:
        gates, k = self.gates, self.number
        new_c = after[1, k]
        np.dot(np.asarray(before[0][k], self.dtype), self.u, self.recurrent)
        np.add(gates, self.recurrent, gates)
        np.multiply(gates, self.scale, gates)
        np.tanh(gates, gates)
        np.multiply(self.sigmoids, self.halves, self.sigmoids)
        np.add(self.sigmoids, self.halves, self.sigmoids)
        np.multiply(self.f, before[1][k], new_c)
        np.multiply(self.i, self.g, self.scratch)
        np.add(new_c, self.scratch, new_c)
        np.tanh(new_c, self.scratch)
        return np.multiply(self.o, self.scratch, after[0, k])


class Gru(Layer):
    """n = tanh(W_n x + b_n + r∘(U_n h + b_hn)), h' = (1 − z)∘n + z∘h; `gates` has the order n, r, z
    and `recurrent` the order r, z, n."""

    def __init__(self, number: int, weights: Mapping[str, Array], hidden: int, batch: int) -> None:
        super().__init__(number, weights, hidden, batch)
        self.b_hn = weights["b_hn"]
        self.n, self.r, self.z = self.blocks(self.gates)
        self.rz, self.halves = self.gates[:, hidden:], np.full(2 * hidden, 0.5, self.dtype)
        self.recurrent_rz = self.recurrent[:, : 2 * hidden]
        self.inner = self.recurrent[:, 2 * hidden :]

    def __call__(self, before: State, after: Array) -> Array:
        h = np.asarray(before[0][self.number], self.dtype)
        np.dot(h, self.u, self.recurrent)
        np.add(self.rz, self.recurrent_rz, self.rz)
        _sigmoid(self.rz, self.halves)
        np.add(self.inner, self.b_hn, self.inner)
        np.multiply(self.inner, self.r, self.inner)
        np.add(self.n, self.inner, self.n)
        np.tanh(self.n, self.n)
        return _interpolate(h, self.z, self.n, after[0, self.number])


class GruResetBefore(Layer):
    """n = tanh(W_n x + b_n + U_n (r∘h)), h' = (1 − z)∘n + z∘h; the gates lie in the order r, z,
    n."""

    def __init__(self, number: int, weights: Mapping[str, Array], hidden: int, batch: int) -> None:
        super().__init__(number, weights, hidden, batch)
        self.r, self.z, self.n = self.blocks(self.gates)
        self.rz, self.halves = self.gates[:, : 2 * hidden], np.full(2 * hidden, 0.5, self.dtype)
        self.u_rz, self.u_n = self.u[:, : 2 * hidden], self.u[:, 2 * hidden :]

    def __call__(self, before: State, after: Array) -> Array:
        h = np.asarray(before[0][self.number], self.dtype)
        np.add(self.rz, np.dot(h, self.u_rz), self.rz)
        _sigmoid(self.rz, self.halves)
        np.multiply(self.r, h, self.scratch)
        np.add(self.n, np.dot(self.scratch, self.u_n), self.n)
        np.tanh(self.n, self.n)
        return _interpolate(h, self.z, self.n, after[0, self.number])


STEPS: Mapping[str, type[Layer]] = {
    "feedforward": Feedforward,
    "rnn": Rnn,
    "lstm": Lstm,
    "gru": Gru,
    "gru_reset_before": GruResetBefore,
}


def _sigmoid(a: Array, halves: Array) -> None:
    np.multiply(a, halves, a)
    np.tanh(a, a)
    np.multiply(a, halves, a)
    np.add(a, halves, a)


def _interpolate(h: Array, z: Array, n: Array, out: Array) -> Array:
    """(1 − z)∘n + z∘h as n + z∘(h − n)."""
    np.subtract(h, n, out)
    np.multiply(out, z, out)
    return np.add(out, n, out)
