"""The cells of the hand-written backward pass: a step forward and a step backward side by side.

See `backends/_bptt.py` for the words. Here the loop forward saves *factors* on the tape, and the
loop backward overwrites them with derivatives of the preactivations. In the equations W x is the
product without b, and dh and dc are the derivatives of the loss with respect to the state after
the step.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax.numpy as jnp
from jax.nn import sigmoid

from backends._jax.bptt_arrays import matmul, split_gradients, sum_outer_products


class CellSteps(Protocol):
    """One cell. Arrays are `(B, ·)` in a step, `(T·B, ·)` after the loop."""

    tape_widths: tuple[int, ...]
    """The width of each array on the tape, in units of H. Empty: the tape is W x alone."""

    def forward(self, wx: Any, state: Any, weights: Any) -> tuple[Any, Any]:
        """Return the state after a step, and what it saves on the tape. Keep that small: what a
        loop writes costs as much time as what it computes."""

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: Any) -> tuple[Any, Any]:
        """Return what replaces the first arrays on the tape, and the derivative of the state
        before the step. `d_state` is the derivative of the state after it, `hidden` its h."""

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> tuple[Any, Any]:
        """Return the derivative of W x and the derivatives of the weights by name. `operands`
        are [h before the step, x, 1], `size` is the width of h."""


class Rnn:
    """h' = tanh(a) with a = W x + b + U h (Elman 1990); da = dh (1 − h'²)."""

    tape_widths: tuple[int, ...] = ()

    def forward(self, wx: Any, state: Any, weights: Any) -> Any:
        hidden = jnp.tanh(wx + weights["b"] + matmul(state[0], weights["u"].T))
        return (hidden,), ()

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: Any) -> Any:
        da = d_state[0] * (1 - hidden * hidden)
        return (da,), (matmul(da, weights["u"]),)

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> Any:
        da = tape[0]
        sums = sum_outer_products(operands, da, dtype)
        return da, split_gradients(sums[:size], sums[size:])


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c'), with i, f, o = σ(a), g = tanh(a) and a = W x + b + U h
    (Gers, Schmidhuber & Cummins 2000).

    The tape holds ∂c'/∂a of i, f and g with ∂h'/∂a of o `(4 H)`; ∂h'/∂c' = o (1 − tanh²c'); and
    f = ∂c'/∂c.
    """

    tape_widths: tuple[int, ...] = (4, 1, 1)

    def forward(self, wx: Any, state: Any, weights: Any) -> Any:
        (h, c), size = state, state[0].shape[1]
        a = wx + weights["b"] + matmul(h, weights["u"].T)
        # Gates are cut by slices: with jnp.split, jax 0.10.2 is reported to compile wrong gradients
        # on the CPU of some machines.
        i, f, o = sigmoid(a[:, :size]), sigmoid(a[:, size : 2 * size]), sigmoid(a[:, 3 * size :])
        g = jnp.tanh(a[:, 2 * size : 3 * size])
        new_c = f * c + i * g
        tanh_c = jnp.tanh(new_c)
        factors_ifg = (g * i * (1 - i), c * f * (1 - f), i * (1 - g * g))
        factors = jnp.concatenate([*factors_ifg, tanh_c * o * (1 - o)], axis=1)
        return (o * tanh_c, new_c), (factors, o * (1 - tanh_c * tanh_c), f)

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: Any) -> Any:
        (dh, dc), (factors, h_by_c, f) = d_state, tape
        dc = dc + dh * h_by_c
        da = factors * jnp.concatenate([dc, dc, dc, dh], axis=1)
        return (da,), (matmul(da, weights["u"]), dc * f)

    weight_gradients = Rnn.weight_gradients


class Gru:
    """r, z = σ(a + v), n = tanh(a_n + r∘(v_n + b_hn)), h' = (1 − z)∘n + z∘h, with a = W x + b and
    v = U h (reset_after).

    The tape holds ∂h'/∂v `(3 H)`, ∂h'/∂a_n = (1 − z)(1 − n²), and z. The derivatives of a and v
    are the same for r and z, and differ by the factor r for n.
    """

    tape_widths: tuple[int, ...] = (3, 1, 1)

    def forward(self, wx: Any, state: Any, weights: Any) -> Any:
        h, size = state[0], state[0].shape[1]
        a, v = wx + weights["b"], matmul(h, weights["u"].T)
        q = v[:, 2 * size :] + weights["b_hn"]
        r = sigmoid(a[:, :size] + v[:, :size])
        z = sigmoid(a[:, size : 2 * size] + v[:, size : 2 * size])
        n = jnp.tanh(a[:, 2 * size :] + r * q)
        factor_n = (1 - z) * (1 - n * n)
        factors_rz = (factor_n * q * r * (1 - r), (h - n) * z * (1 - z))
        factors = jnp.concatenate([*factors_rz, factor_n * r], axis=1)
        return (n + z * (h - n),), (factors, factor_n, z)

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: Any) -> Any:
        dh, (factors, factor_n, z) = d_state[0], tape
        dv = factors * jnp.concatenate([dh, dh, dh], axis=1)
        return (dv, factor_n * dh), (matmul(dv, weights["u"]) + dh * z,)

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> Any:
        dv, da_n, _ = tape
        sums = sum_outer_products(operands, dv, dtype)
        sums_n = sum_outer_products(operands[:, size:], da_n, dtype)
        sums_inputs = jnp.concatenate([sums[size:, : 2 * size], sums_n], axis=1)
        da = jnp.concatenate([dv[:, : 2 * size], da_n], axis=1)
        gradients = split_gradients(sums[:size], sums_inputs)
        return da, {**gradients, "b_hn": sums[-1, 2 * size :]}


class GruResetBefore:
    """r, z = σ(a), n = tanh(a_n), h' = (1 − z)∘n + z∘h, with a = W x + b + U h for r and z and
    a_n = W_n x + b_n + U_n (r∘h) (Cho et al. 2014).

    The tape holds ∂(r∘h)/∂a of r with ∂h'/∂a of z `(2 H)`, ∂h'/∂a_n = (1 − z)(1 − n²), r, and z.
    """

    tape_widths: tuple[int, ...] = (2, 1, 1, 1)

    def forward(self, wx: Any, state: Any, weights: Any) -> Any:
        h, size, u, b = state[0], state[0].shape[1], weights["u"], weights["b"]
        a = wx[:, : 2 * size] + b[: 2 * size] + matmul(h, u[: 2 * size].T)
        r, z = sigmoid(a[:, :size]), sigmoid(a[:, size:])
        n = jnp.tanh(wx[:, 2 * size :] + b[2 * size :] + matmul(r * h, u[2 * size :].T))
        factors_rz = jnp.concatenate([h * r * (1 - r), (h - n) * z * (1 - z)], axis=1)
        return (n + z * (h - n),), (factors_rz, (1 - z) * (1 - n * n), r, z)

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: Any) -> Any:
        dh, (factors_rz, factor_n, r, z) = d_state[0], tape
        u, size = weights["u"], dh.shape[1]
        da_n = factor_n * dh
        d_reset_hidden = matmul(da_n, u[2 * size :])
        da_rz = factors_rz * jnp.concatenate([d_reset_hidden, dh], axis=1)
        dh_before = matmul(da_rz, u[: 2 * size]) + d_reset_hidden * r + dh * z
        return (da_rz, da_n), (dh_before,)

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> Any:
        da_rz, da_n, r, _ = tape
        reset = jnp.concatenate([r * operands[:, :size], operands[:, size:]], axis=1)
        sums_rz = sum_outer_products(operands, da_rz, dtype)
        sums_n = sum_outer_products(reset, da_n, dtype)
        sums = jnp.concatenate([sums_rz, sums_n], axis=1)
        da = jnp.concatenate([da_rz, da_n], axis=1)
        return da, split_gradients(sums[:size], sums[size:])


STEPS: Mapping[str, CellSteps] = {
    "rnn": Rnn(),
    "lstm": Lstm(),
    "reset_after": Gru(),
    "reset_before": GruResetBefore(),
}
