"""The cells of `tensorflow-loop`: each cell's forward and backward step side by side.

One step works on `(batch, ·)`, all steps on `(time, batch, ·)`; see `backends._tensorflow.loop`
for the layout of the weights and for the two sides of the preactivations. In the equations a is
the input side W x + b, q the state side U h, and d… a derivative of the loss.
"""

from typing import Any, Protocol

import tensorflow as tf


class CellSteps(Protocol):
    """One cell.

    `weights` are the recurrent weights and, for the gru that resets after U h, the second bias.
    """

    gate_count: int
    tape_widths: tuple[int, ...]
    """The width of each array on the tape, in units of H."""

    def recurrent_weights(self, u: Any) -> list[Any]:
        """u `(H, G·H)` as the matrices that the steps multiply with."""

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        """The states after one step, and what is saved on the tape."""

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        """Derivatives of all steps that do not depend on later steps, from the tape and the
        states before and after each step."""

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        """The derivatives of the state side and of the states one step earlier, from the factors
        of the step, the transposed weights and the derivatives of the states after it."""

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        """The derivatives of the input side and of each of the weights, over all steps; `before`
        is h before each step."""


class Rnn:
    """h' = tanh(a + q) (Elman 1990); da = dq = dh' (1 − h'²)."""

    gate_count = 1
    tape_widths: tuple[int, ...] = ()

    def recurrent_weights(self, u: Any) -> list[Any]:
        return [u]

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        (u,), (h,) = weights, states
        return [tf.tanh(input_side + h @ u)], []

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        return [1 - after[0] ** 2]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (slope,), (ut,), (dh,) = factors, transposed, d_states
        d = dh * slope
        return d, [d @ ut]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        return [d_state_side, _weight_gradient(before, d_state_side)]


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c'), with i, f, o = σ(a + q) and g = tanh(a + q)
    (Gers, Schmidhuber & Cummins 2000).

    With dc' including dh' o (1 − tanh²c'), da = dq has the blocks dc' g i (1 − i),
    dc' c f (1 − f), dc' i (1 − g²) and dh' tanh(c') o (1 − o); dc = dc' f.
    """

    gate_count = 4
    tape_widths: tuple[int, ...] = (4,)  # the preactivations

    def recurrent_weights(self, u: Any) -> list[Any]:
        return [u]

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        (u,), (h, c) = weights, states
        preactivations = input_side + h @ u
        i, f, g, o = tf.split(preactivations, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return [tf.sigmoid(o) * tf.tanh(c), c], [preactivations]

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        i, f, g, o = tf.split(tape[0], 4, 2)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        tanh_c = tf.tanh(after[1])
        gates = [g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
        return [tf.concat(gates, 2), o * (1 - tanh_c * tanh_c), f]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (gates, dc_by_dh, f), (ut,), (dh, dc) = factors, transposed, d_states
        dc = dc + dh * dc_by_dh
        d = gates * tf.concat([dc, dc, dc, dh], 1)
        return d, [d @ ut, dc * f]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        return [d_state_side, _weight_gradient(before, d_state_side)]


class GruResetAfter:
    """h' = n + z∘(h − n), with z, r = σ(a + q) and n = tanh(a + r∘q), the form of cuDNN.

    Here q = U h + b_hn; Keras' second bias has blocks for z and r too, which stay zero. With
    s = (1 − z) (1 − n²), da has the blocks dh' (h − n) z (1 − z), dh' s q r (1 − r) and dh' s; dq
    is the same with dh' s r as its last block; dh = Uᵀ dq + dh' z.
    """

    gate_count = 3
    tape_widths: tuple[int, ...] = (2, 1, 1)  # z and r, n, q

    def recurrent_weights(self, u: Any) -> list[Any]:
        return [u]

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        (u, second_bias), (h,) = weights, states
        size = h.shape[-1]
        sides = input_side, h @ u + second_bias
        (gates, n), (gates_state_side, q) = (tf.split(side, [2 * size, size], 1) for side in sides)
        gates = tf.sigmoid(gates + gates_state_side)
        z, r = tf.split(gates, 2, 1)
        n = tf.tanh(n + r * q)
        return [n + z * (h - n)], [gates, n, q]

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        (gates, n, q), (h,) = tape, before
        z, r = tf.split(gates, 2, 2)
        slope = (1 - z) * (1 - n * n)
        state_side = [(h - n) * z * (1 - z), slope * q * r * (1 - r), slope * r]
        return [tf.concat(state_side, 2), z, slope]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (state_side, z, _), (ut, _), (dh,) = factors, transposed, d_states
        d = state_side * tf.concat([dh, dh, dh], 1)
        return d, [d @ ut + dh * z]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        size = before.shape[-1]
        d_gates, _ = tf.split(d_state_side, [2 * size, size], 2)
        d_input_side = tf.concat([d_gates, d_hidden * factors[2]], 2)
        d_u = _weight_gradient(before, d_state_side)
        return [d_input_side, d_u, tf.reduce_sum(d_state_side, [0, 1])]


class GruResetBefore:
    """h' = n + z∘(h − n), with z, r = σ(a + U h) and n = tanh(a + U_n (r∘h)) (Cho et al. 2014).

    With p = U_nᵀ (dh' (1 − z) (1 − n²)), the derivative of r∘h, da has the blocks
    dh' (h − n) z (1 − z), p h r (1 − r) and dh' (1 − z) (1 − n²); dq has the first two of them;
    dh = Uᵀ dq + p r + dh' z.
    """

    gate_count = 3
    tape_widths: tuple[int, ...] = (2, 1)  # z and r, n

    def recurrent_weights(self, u: Any) -> list[Any]:
        """The weights of z and r, and those of n."""
        size = u.shape[0]
        return [u[:, : 2 * size], u[:, 2 * size :]]

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        (u, u_n), (h,) = weights, states
        size = h.shape[-1]
        gates, n = tf.split(input_side, [2 * size, size], 1)
        gates = tf.sigmoid(gates + h @ u)
        z, r = tf.split(gates, 2, 1)
        n = tf.tanh(n + (r * h) @ u_n)
        return [n + z * (h - n)], [gates, n]

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        (gates, n), (h,) = tape, before
        z, r = tf.split(gates, 2, 2)
        return [(h - n) * z * (1 - z), h * r * (1 - r), (1 - z) * (1 - n * n), z, r]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (z_slope, r_slope, n_slope, z, r), (ut, ut_n), (dh,) = factors, transposed, d_states
        dn = dh * n_slope
        d_reset_h = dn @ ut_n  # the derivative of r∘h
        d = tf.concat([dh * z_slope, d_reset_h * r_slope], 1)
        return tf.concat([d, dn], 1), [d @ ut + d_reset_h * r + dh * z]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        size = before.shape[-1]
        d_gates, dn = tf.split(d_state_side, [2 * size, size], 2)
        d_u, d_u_n = _weight_gradient(before, d_gates), _weight_gradient(factors[4] * before, dn)
        return [d_state_side, d_u, d_u_n]


def _weight_gradient(h: Any, d: Any) -> Any:
    """The sum over all steps and sequences of h dᵀ, as one product."""
    return tf.tensordot(h, d, [[0, 1], [0, 1]])


CELL_OF_KERAS: dict[tuple[str, bool], CellSteps] = {
    ("SimpleRNNCell", False): Rnn(),
    ("LSTMCell", False): Lstm(),
    ("GRUCell", True): GruResetAfter(),
    ("GRUCell", False): GruResetBefore(),
}
"""By the name of Keras' cell, and whether it resets after the product."""
