"""The cells of `tensorflow-loop`: each cell's forward and backward step side by side.

One step works on `(batch, ·)`, all steps on `(time, batch, ·)`; see `backends._tensorflow.loop`
for the layout of the weights. In the equations a = W x + b is the input side of the
preactivations, U h is the state side, and d… is a derivative of the loss.
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
    """h' = tanh(a + U h) (Elman 1990); da = dh' (1 − h'²), and dh = Uᵀ da."""

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
        (factor,), (ut,), (dh,) = factors, transposed, d_states
        da = dh * factor
        return da, [da @ ut]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        return [d_state_side, _weight_gradient(before, d_state_side)]


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c'), with i, f, o = σ(a + U h) and g = tanh(a + U h)
    (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    dc' gains dh' o (1 − tanh²c'); da has the blocks dc' g i (1 − i), dc' c f (1 − f),
    dc' i (1 − g²) and dh' tanh(c') o (1 − o); dc = f dc', and dh = Uᵀ da.
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
        blocks = [g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
        return [tf.concat(blocks, 2), o * (1 - tanh_c * tanh_c), f]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (gate_factors, dc_factor, f), (ut,), (dh, dc) = factors, transposed, d_states
        dc = dc + dh * dc_factor
        da = gate_factors * tf.concat([dc, dc, dc, dh], 1)
        return da, [da @ ut, dc * f]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        return [d_state_side, _weight_gradient(before, d_state_side)]


class GruResetAfter:
    """h' = n + z∘(h − n), with z, r = σ(a + U h) and n = tanh(a_n + r∘(U_n h + b_hn)): the form
    reset_after (Cho et al. 2014, as cuDNN computes it).

    The state side is U h + b_hn; Keras' second bias has blocks for z and r too, which stay zero.
    With s = (1 − z) (1 − n²) and inner = U_n h + b_hn, da has the blocks dh' (h − n) z (1 − z),
    dh' s inner r (1 − r) and dh' s. The derivative of the state side has dh' s r as its last
    block, and dh is Uᵀ times it + dh' z.
    """

    gate_count = 3
    tape_widths: tuple[int, ...] = (2, 1, 1)  # z and r, n, inner

    def recurrent_weights(self, u: Any) -> list[Any]:
        return [u]

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        (u, second_bias), (h,) = weights, states
        size = h.shape[-1]
        sides = input_side, h @ u + second_bias
        (a_zr, a_n), (uh_zr, inner) = (tf.split(side, [2 * size, size], 1) for side in sides)
        zr = tf.sigmoid(a_zr + uh_zr)
        z, r = tf.split(zr, 2, 1)
        n = tf.tanh(a_n + r * inner)
        return [n + z * (h - n)], [zr, n, inner]

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        (zr, n, inner), (h,) = tape, before
        z, r = tf.split(zr, 2, 2)
        factor_n = (1 - z) * (1 - n * n)
        blocks = [(h - n) * z * (1 - z), factor_n * inner * r * (1 - r), factor_n * r]
        return [tf.concat(blocks, 2), z, factor_n]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (state_side_factors, z, _), (ut, _), (dh,) = factors, transposed, d_states
        d_state_side = state_side_factors * tf.concat([dh, dh, dh], 1)
        return d_state_side, [d_state_side @ ut + dh * z]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        size = before.shape[-1]
        da_zr, _ = tf.split(d_state_side, [2 * size, size], 2)
        d_input_side = tf.concat([da_zr, d_hidden * factors[2]], 2)
        d_u = _weight_gradient(before, d_state_side)
        return [d_input_side, d_u, tf.reduce_sum(d_state_side, [0, 1])]


class GruResetBefore:
    """h' = n + z∘(h − n), with z, r = σ(a + U h) and n = tanh(a_n + U_n (r∘h)): the form
    reset_before (Cho et al. 2014).

    da_n = dh' (1 − z) (1 − n²) and d(r∘h) = U_nᵀ da_n; da_z = dh' (h − n) z (1 − z) and
    da_r = d(r∘h) h r (1 − r); dh = U_zrᵀ da_zr + d(r∘h) r + dh' z.
    """

    gate_count = 3
    tape_widths: tuple[int, ...] = (2, 1)  # z and r, n

    def recurrent_weights(self, u: Any) -> list[Any]:
        """The weights of z and r, and those of n."""
        size = u.shape[0]
        return [u[:, : 2 * size], u[:, 2 * size :]]

    def forward(self, input_side: Any, weights: Any, states: Any) -> tuple[list[Any], list[Any]]:
        (u_zr, u_n), (h,) = weights, states
        size = h.shape[-1]
        a_zr, a_n = tf.split(input_side, [2 * size, size], 1)
        zr = tf.sigmoid(a_zr + h @ u_zr)
        z, r = tf.split(zr, 2, 1)
        n = tf.tanh(a_n + (r * h) @ u_n)
        return [n + z * (h - n)], [zr, n]

    def factors(self, tape: Any, before: Any, after: Any) -> list[Any]:
        (zr, n), (h,) = tape, before
        z, r = tf.split(zr, 2, 2)
        return [(h - n) * z * (1 - z), h * r * (1 - r), (1 - z) * (1 - n * n), z, r]

    def backward(self, factors: Any, transposed: Any, d_states: Any) -> tuple[Any, list[Any]]:
        (factor_z, factor_r, factor_n, z, r), (ut_zr, ut_n), (dh,) = factors, transposed, d_states
        da_n = dh * factor_n
        d_rh = da_n @ ut_n
        da_zr = tf.concat([dh * factor_z, d_rh * factor_r], 1)
        return tf.concat([da_zr, da_n], 1), [da_zr @ ut_zr + d_rh * r + dh * z]

    def weight_gradients(
        self, d_state_side: Any, d_hidden: Any, factors: Any, before: Any
    ) -> list[Any]:
        size = before.shape[-1]
        da_zr, da_n = tf.split(d_state_side, [2 * size, size], 2)
        d_u_zr, d_u_n = _weight_gradient(before, da_zr), _weight_gradient(factors[4] * before, da_n)
        return [d_state_side, d_u_zr, d_u_n]


def _weight_gradient(operand: Any, da: Any) -> Any:
    """The sum over all steps and sequences of operand daᵀ, as one product."""
    return tf.tensordot(operand, da, [[0, 1], [0, 1]])


CELL_OF_KERAS: dict[tuple[str, bool], CellSteps] = {
    ("SimpleRNNCell", False): Rnn(),
    ("LSTMCell", False): Lstm(),
    ("GRUCell", True): GruResetAfter(),
    ("GRUCell", False): GruResetBefore(),
}
"""By the name of Keras' cell, and whether it resets after the product."""
