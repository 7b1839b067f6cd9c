"""The cells of the hand-written backward pass: a step forward and a step backward side by side.

See `backends/_bptt.py` for the words. Here the loop forward saves *factors* on the tape, and the
loop backward overwrites them with derivatives of the preactivations.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax.numpy as jnp
from jax.nn import sigmoid

from backends._jax.bptt_arrays import matmul, split_gradients, sum_outer_products
from backends._jax.bptt_weights import LoopWeights


class CellSteps(Protocol):
    """One cell. Arrays are `(B, ·)` in a step, `(T·B, ·)` after the loop."""

    blocks: tuple[int, ...]
    """The gates that each product with U makes in a step."""
    tape_widths: tuple[int, ...]
    """The width of each array on the tape, in units of H. Empty: the tape is W x alone."""

    def forward(self, wx: Any, state: Any, weights: LoopWeights) -> tuple[Any, Any]:
        """Return the state after a step, and what it saves on the tape. Keep that small: what a
        loop writes costs as much time as what it computes."""

    def backward(
        self, d_state: Any, hidden: Any, tape: Any, weights: LoopWeights
    ) -> tuple[Any, Any]:
        """Return what replaces the first arrays on the tape, and the derivative of the state
        before the step. `d_state` is the derivative of the state after it, `hidden` its h."""

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> tuple[Any, Any]:
        """Return the derivative of W x and the derivatives of the weights by name. `operands`
        are [h before the step, x, 1], `size` is the width of h."""


class Rnn:
    """h' = tanh(a + U h) with a = W x + b (Elman 1990); da = dh' (1 − h'²), and dh = Uᵀ da."""

    blocks: tuple[int, ...] = (1,)
    tape_widths: tuple[int, ...] = ()

    def forward(self, wx: Any, state: Any, weights: LoopWeights) -> Any:
        hidden = jnp.tanh(wx + weights.b + matmul(state[0], weights.u[0]))
        return (hidden,), ()

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: LoopWeights) -> Any:
        da = d_state[0] * (1 - hidden * hidden)
        return (da,), (matmul(da, weights.u[0]),)

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> Any:
        da = tape[0]
        sums = sum_outer_products(operands, da, dtype)
        return da, split_gradients(sums[:size], sums[size:])


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c'), with i, f, o = σ(a + U h), g = tanh(a + U h) and
    a = W x + b (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    The tape holds ∂c'/∂a of i, f and g with ∂h'/∂a of o `(4 H)`; ∂h'/∂c' = o (1 − tanh²c'); and
    f = ∂c'/∂c.
    """

    blocks: tuple[int, ...] = (4,)
    tape_widths: tuple[int, ...] = (4, 1, 1)

    def forward(self, wx: Any, state: Any, weights: LoopWeights) -> Any:
        (h, c), size = state, state[0].shape[1]
        a = wx + weights.b + matmul(h, weights.u[0])
        # Gates are cut by slices: with jnp.split, jax 0.10.2 is reported to compile wrong gradients
        # on the CPU of some machines.
        i, f, o = sigmoid(a[:, :size]), sigmoid(a[:, size : 2 * size]), sigmoid(a[:, 3 * size :])
        g = jnp.tanh(a[:, 2 * size : 3 * size])
        new_c = f * c + i * g
        tanh_c = jnp.tanh(new_c)
        factors_ifg = (g * i * (1 - i), c * f * (1 - f), i * (1 - g * g))
        factors = jnp.concatenate([*factors_ifg, tanh_c * o * (1 - o)], axis=1)
        return (o * tanh_c, new_c), (factors, o * (1 - tanh_c * tanh_c), f)

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: LoopWeights) -> Any:
        (dh, dc), (factors, dc_factor, f) = d_state, tape
        dc = dc + dh * dc_factor
        da = factors * jnp.concatenate([dc, dc, dc, dh], axis=1)
        return (da,), (matmul(da, weights.u[0]), dc * f)

    weight_gradients = Rnn.weight_gradients


class Gru:
    """h' = (1 − z)∘n + z∘h, with r, z = σ(a + U h), n = tanh(a_n + r∘(U_n h + b_hn)) and
    a = W x + b: the form reset_after (Cho et al. 2014, as cuDNN computes it).

    The tape holds ∂h'/∂(U h) `(3 H)`, ∂h'/∂a_n = (1 − z)(1 − n²), and z. The derivatives of both
    sides are the same for r and z, and differ by the factor r for n.
    """

    blocks: tuple[int, ...] = (3,)
    tape_widths: tuple[int, ...] = (3, 1, 1)

    def forward(self, wx: Any, state: Any, weights: LoopWeights) -> Any:
        h, size = state[0], state[0].shape[1]
        a, uh = wx + weights.b, matmul(h, weights.u[0])
        inner = uh[:, 2 * size :] + weights.b_hn
        r = sigmoid(a[:, :size] + uh[:, :size])
        z = sigmoid(a[:, size : 2 * size] + uh[:, size : 2 * size])
        n = jnp.tanh(a[:, 2 * size :] + r * inner)
        factor_n = (1 - z) * (1 - n * n)
        factors_rz = (factor_n * inner * r * (1 - r), (h - n) * z * (1 - z))
        factors = jnp.concatenate([*factors_rz, factor_n * r], axis=1)
        return (n + z * (h - n),), (factors, factor_n, z)

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: LoopWeights) -> Any:
        dh, (factors, factor_n, z) = d_state[0], tape
        d_state_side = factors * jnp.concatenate([dh, dh, dh], axis=1)
        return (d_state_side, factor_n * dh), (matmul(d_state_side, weights.u[0]) + dh * z,)

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> Any:
        d_state_side, da_n, _ = tape
        sums = sum_outer_products(operands, d_state_side, dtype)
        sums_n = sum_outer_products(operands[:, size:], da_n, dtype)
        sums_inputs = jnp.concatenate([sums[size:, : 2 * size], sums_n], axis=1)
        da = jnp.concatenate([d_state_side[:, : 2 * size], da_n], axis=1)
        gradients = split_gradients(sums[:size], sums_inputs)
        return da, {**gradients, "b_hn": sums[-1, 2 * size :]}


class GruResetBefore:
    """h' = (1 − z)∘n + z∘h, with r, z = σ(a + U h), n = tanh(a_n + U_n (r∘h)) and a = W x + b: the
    form reset_before (Cho et al. 2014).

    The tape holds ∂(r∘h)/∂a of r with ∂h'/∂a of z `(2 H)`, ∂h'/∂a_n = (1 − z)(1 − n²), r, and z.
    """

    blocks: tuple[int, ...] = (2, 1)
    tape_widths: tuple[int, ...] = (2, 1, 1, 1)

    def forward(self, wx: Any, state: Any, weights: LoopWeights) -> Any:
        h, size, b, (u_rz, u_n) = state[0], state[0].shape[1], weights.b, weights.u
        a_rz = wx[:, : 2 * size] + b[: 2 * size] + matmul(h, u_rz)
        r, z = sigmoid(a_rz[:, :size]), sigmoid(a_rz[:, size:])
        n = jnp.tanh(wx[:, 2 * size :] + b[2 * size :] + matmul(r * h, u_n))
        factors_rz = jnp.concatenate([h * r * (1 - r), (h - n) * z * (1 - z)], axis=1)
        return (n + z * (h - n),), (factors_rz, (1 - z) * (1 - n * n), r, z)

    def backward(self, d_state: Any, hidden: Any, tape: Any, weights: LoopWeights) -> Any:
        dh, (factors_rz, factor_n, r, z) = d_state[0], tape
        u_rz, u_n = weights.u
        da_n = factor_n * dh
        d_rh = matmul(da_n, u_n)
        da_rz = factors_rz * jnp.concatenate([d_rh, dh], axis=1)
        dh_before = matmul(da_rz, u_rz) + d_rh * r + dh * z
        return (da_rz, da_n), (dh_before,)

    def weight_gradients(self, tape: Any, operands: Any, size: int, dtype: str) -> Any:
        da_rz, da_n, r, _ = tape
        operands_n = jnp.concatenate([r * operands[:, :size], operands[:, size:]], axis=1)
        sums_rz = sum_outer_products(operands, da_rz, dtype)
        sums_n = sum_outer_products(operands_n, da_n, dtype)
        sums = jnp.concatenate([sums_rz, sums_n], axis=1)
        da = jnp.concatenate([da_rz, da_n], axis=1)
        return da, split_gradients(sums[:size], sums[size:])


STEPS: Mapping[str, CellSteps] = {
    "rnn": Rnn(),
    "lstm": Lstm(),
    "reset_after": Gru(),
    "reset_before": GruResetBefore(),
}
