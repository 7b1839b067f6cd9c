"""The two forms of the gru."""

from typing import Any

import numpy as np

from backends._numpy import steps
from backends._numpy.direction import Derivatives, Direction, Tape
from backends._numpy.products import Product
from backends._numpy.workspace import Workspace
from bench.spec import Array


class Gru:
    """h' = (1 − z)∘n + z∘h, with r, z = σ(a + U h), n = tanh(a_n + r∘(U_n h + b_hn)) and
    a = W x + b: the form reset_after (Cho et al. 2014, as cuDNN computes it).

    The rows of `w` and `b` lie in the order n, r, z, those of `u` in the order r, z, n: in the
    derivatives in the order a_n, a_r, a_z, U_n h + b_hn, both are one block. `Tape.extra` is
    U_n h + b_hn.
    """

    @staticmethod
    def forward(direction: Direction, a: Array, state: Any, padding: Array | None) -> Tape:
        buffers, scratch, u = direction.buffers, direction.scratch, direction.weights["u"]
        time, (size, batch) = len(a), state[0].shape
        hidden = buffers.states("hidden", time, state[0])
        gates, inner = a.reshape(time, 3, size, batch), buffers("extra", time, size, batch)
        recurrent = scratch("recurrent", *a[0].shape)
        recurrent_rz, recurrent_n = recurrent[: 2 * size], recurrent[2 * size :]
        # Copied to (H, B) once, so that the loop adds arrays of one shape.
        b_hn = np.broadcast_to(direction.weights["b_hn"][:, None], state[0].shape)
        b_hn = scratch.copy("b_hn", b_hn)
        one, h = np.ones((), a.dtype), hidden[0]
        for rz, n, r, z, inner_t, h_after, padding_t in zip(
            a[:, size:],
            *gates.swapaxes(0, 1),
            inner,
            hidden[1:],
            steps.steps_of(padding, time),
            strict=True,
        ):
            np.dot(u, h, out=recurrent)
            np.add(recurrent_n, b_hn, out=inner_t)
            rz += recurrent_rz
            steps.sigmoid(rz, one)
            n += np.multiply(r, inner_t, out=recurrent_n)
            np.tanh(n, out=n)
            steps.interpolate(h, z, n, out=h_after)
            steps.hold(h, h_after, padding_t)
            h = h_after
        return Tape(gates, hidden, None, inner)

    @staticmethod
    def backward(
        direction: Direction, tape: Tape, d_hidden: Array, d_cell_state: Any, padding: Array | None
    ) -> Derivatives:
        """All derivatives are multiples of dh'; dh = z∘dh' + Uᵀ d(U h)."""
        scratch, (time, _, size, batch) = direction.scratch, tape.gates.shape
        ut = scratch.copy("u transposed", direction.weights["u"].T)
        da, recurrent = scratch("da", 4 * size, time, batch), scratch("recurrent", size, batch)
        at_step = scratch("derivatives at one step", 5, size, batch)
        through_z, da_t = at_step[0], at_step[1:].reshape(4 * size, batch)
        state_side, dh = da_t[size:], d_hidden[time]
        for block in steps.blocks_in_reverse(time, 5 * size * batch):
            factors = Gru.factors(scratch, tape, block, padding)
            for t, factor, dh_before in steps.in_reverse(block, factors, d_hidden[block]):
                np.multiply(dh, factor, out=at_step)
                da[:, t] = da_t
                dh_before += through_z
                dh_before += np.dot(ut, state_side, out=recurrent)
                dh = dh_before
        u = Product(direction.prefix + "u", da[size:], tape.hidden[:-1])
        b_hn = Product(direction.prefix + "b_hn", da[3 * size :], None)
        return Derivatives(da[: 3 * size], (u, b_hn))

    @staticmethod
    def factors(scratch: Workspace, tape: Tape, block: slice, padding: Array | None) -> Array:
        """Factors `(n, 5, H, B)` by which dh' of a block of steps is multiplied: for dh, da_n,
        da_r, da_z and d(U_n h + b_hn)."""
        gates, inner, h = tape.gates[block], tape.extra[block], tape.hidden[:-1][block]
        n, r, z = gates.swapaxes(0, 1)
        factors = scratch("factors", len(gates), 5, *n.shape[1:])
        dh, dn, dr, dz, d_inner = factors.swapaxes(0, 1)
        steps.interpolation_factors(h, n, z, dh, dn, dz)
        steps.sigmoid_slope(r, dr)
        dr *= inner
        dr *= dn
        np.multiply(dn, r, out=d_inner)
        steps.pass_held_factors(factors, block, padding)
        return factors


class GruResetBefore:
    """h' = (1 − z)∘n + z∘h, with r, z = σ(a + U h), n = tanh(a_n + U_n (r∘h)) and a = W x + b: the
    form reset_before (Cho et al. 2014). `Tape.extra` is r∘h."""

    @staticmethod
    def forward(direction: Direction, a: Array, state: Any, padding: Array | None) -> Tape:
        buffers, scratch, u = direction.buffers, direction.scratch, direction.weights["u"]
        time, (size, batch) = len(a), state[0].shape
        hidden = buffers.states("hidden", time, state[0])
        gates, rh = a.reshape(time, 3, size, batch), buffers("extra", time, size, batch)
        recurrent = scratch("recurrent", *a[0].shape)
        recurrent_rz, recurrent_n = recurrent[: 2 * size], recurrent[2 * size :]
        one, h = np.ones((), a.dtype), hidden[0]
        for rz, r, z, n, rh_t, h_after, padding_t in zip(
            a[:, : 2 * size],
            *gates.swapaxes(0, 1),
            rh,
            hidden[1:],
            steps.steps_of(padding, time),
            strict=True,
        ):
            rz += np.dot(u[: 2 * size], h, out=recurrent_rz)
            steps.sigmoid(rz, one)
            np.multiply(r, h, out=rh_t)
            n += np.dot(u[2 * size :], rh_t, out=recurrent_n)
            np.tanh(n, out=n)
            steps.interpolate(h, z, n, out=h_after)
            steps.hold(h, h_after, padding_t)
            h = h_after
        return Tape(gates, hidden, None, rh)

    @staticmethod
    def backward(
        direction: Direction, tape: Tape, d_hidden: Array, d_cell_state: Any, padding: Array | None
    ) -> Derivatives:
        """da_z and da_n are multiples of dh'; d(r∘h) = U_nᵀ da_n, and da_r is a multiple of that;
        dh = z∘dh' + r∘d(r∘h) + U_rzᵀ da_rz."""
        scratch, (time, _, size, batch) = direction.scratch, tape.gates.shape
        ut = scratch.copy("u transposed", direction.weights["u"].T)
        da, recurrent = scratch("da", 3 * size, time, batch), scratch("recurrent", size, batch)
        at_step = scratch("derivatives at one step", 4, size, batch)
        da_t, dh = at_step[1:].reshape(3 * size, batch), d_hidden[time]
        ut_rz, ut_n = ut[:, : 2 * size], ut[:, 2 * size :]
        for block in steps.blocks_in_reverse(time, 4 * size * batch):
            factors = GruResetBefore.factors(scratch, tape, block, padding)
            for t, factor, r, dh_before in steps.in_reverse(
                block, factors, tape.gates[block, 0], d_hidden[block]
            ):
                np.multiply(dh, factor, out=at_step)
                d_rh = np.dot(ut_n, at_step[3], out=recurrent)
                at_step[1] = d_rh * factor[1]
                da[:, t] = da_t
                dh_before += at_step[0]
                dh_before += d_rh * r
                dh_before += np.dot(ut_rz, da_t[: 2 * size], out=recurrent)
                dh = dh_before
        rows_rz, rows_n, name = slice(2 * size), slice(2 * size, None), direction.prefix + "u"
        u_rz = Product(name, da[rows_rz], tape.hidden[:-1], rows_rz)
        u_n = Product(name, da[rows_n], tape.extra, rows_n)
        return Derivatives(da, (u_rz, u_n))

    @staticmethod
    def factors(scratch: Workspace, tape: Tape, block: slice, padding: Array | None) -> Array:
        """Factors `(n, 4, H, B)` of a block of steps. The first times dh' is its share of dh that
        does not pass through U; the second times d(r∘h) is da_r; the others times dh' are da_z and
        da_n."""
        gates, h = tape.gates[block], tape.hidden[:-1][block]
        r, z, n = gates.swapaxes(0, 1)
        factors = scratch("factors", len(gates), 4, *r.shape[1:])
        dh, dr, dz, dn = factors.swapaxes(0, 1)
        steps.interpolation_factors(h, n, z, dh, dn, dz)
        steps.sigmoid_slope(r, dr)
        dr *= h
        steps.pass_held_factors(factors, block, padding)
        return factors
