"""The lstm."""

from typing import Any

import numpy as np

from backends._numpy import steps
from backends._numpy.direction import Derivatives, Direction, Tape
from backends._numpy.products import Product
from backends._numpy.workspace import Workspace
from bench.spec import Array


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000), with
    i, f, o = σ(a + U h), g = tanh(a + U h) and a = W x + b.

    The gates lie in the order o, i, f, g: forward, o, i and f are one block that takes σ; backward,
    i, f and g are one block whose derivatives are multiples of dc'. `Tape.extra` is tanh(c').
    """

    @staticmethod
    def forward(direction: Direction, a: Array, state: Any, padding: Array | None) -> Tape:
        buffers, scratch, u = direction.buffers, direction.scratch, direction.weights["u"]
        time, (size, batch) = len(a), state[0].shape
        hidden = buffers.states("hidden", time, state[0])
        cell_states = buffers.states("cell states", time, state[1])
        gates, tanh_c = a.reshape(time, 4, size, batch), buffers("extra", time, size, batch)
        recurrent, ig = scratch("recurrent", *a[0].shape), scratch("ig", size, batch)
        one = np.ones((), a.dtype)
        h, c = hidden[0], cell_states[0]
        for a_t, oif, o, i, f, g, tanh_c_t, h_after, c_after, padding_t in zip(
            a,
            a[:, : 3 * size],
            *gates.swapaxes(0, 1),
            tanh_c,
            hidden[1:],
            cell_states[1:],
            steps.steps_of(padding, time),
            strict=True,
        ):
            a_t += np.dot(u, h, out=recurrent)
            steps.sigmoid(oif, one)
            np.tanh(g, out=g)
            np.multiply(f, c, out=c_after)
            c_after += np.multiply(i, g, out=ig)
            steps.hold(c, c_after, padding_t)
            np.tanh(c_after, out=tanh_c_t)
            np.multiply(o, tanh_c_t, out=h_after)
            steps.hold(h, h_after, padding_t)
            h, c = h_after, c_after
        return Tape(gates, hidden, cell_states, tanh_c)

    @staticmethod
    def backward(
        direction: Direction,
        tape: Tape,
        d_hidden: Array,
        d_cell_state: Array,
        padding: Array | None,
    ) -> Derivatives:
        """dc' gains dh'∘o∘(1 − tanh²(c')); da_o is a multiple of dh', and da_i, da_f and da_g are
        multiples of dc'; dc = f∘dc', and dh = Uᵀ da."""
        scratch, (time, _, size, batch) = direction.scratch, tape.gates.shape
        ut = scratch.copy("u transposed", direction.weights["u"].T)
        da, recurrent = scratch("da", 4 * size, time, batch), scratch("recurrent", size, batch)
        at_step = scratch("derivatives at one step", 5, size, batch)
        dc_of_h, da_t = at_step[0], at_step[1:].reshape(4 * size, batch)
        of_h, of_c, paddings = at_step[:2], at_step[2:], steps.steps_of(padding, time)
        dh = d_hidden[time]
        for block in steps.blocks_in_reverse(time, 5 * size * batch):
            factors = Lstm.factors(scratch, tape, block, padding)
            for t, h_factors, c_factors, f, dh_before in steps.in_reverse(
                block, factors[:, :2], factors[:, 2:], tape.gates[block, 2], d_hidden[block]
            ):
                np.multiply(dh, h_factors, out=of_h)
                d_cell_state += dc_of_h
                np.multiply(d_cell_state, c_factors, out=of_c)
                d_cell_state *= f
                da[:, t] = da_t
                dh_before += np.dot(ut, da_t, out=recurrent)
                steps.pass_held(dh_before, dh, paddings[t])
                dh = dh_before
        return Derivatives(da, (Product(direction.prefix + "u", da, tape.hidden[:-1]),))

    @staticmethod
    def factors(scratch: Workspace, tape: Tape, block: slice, padding: Array | None) -> Array:
        """Factors `(n, 5, H, B)` of a block of steps. The first two times dh' are its share of dc'
        and da_o; the last three times dc' are da_i, da_f and da_g."""
        gates, tanh_c = tape.gates[block], tape.extra[block]
        o, i, f, g = gates.swapaxes(0, 1)
        factors = scratch("factors", len(gates), 5, *o.shape[1:])
        dc, do, di, df, dg = factors.swapaxes(0, 1)
        steps.tanh_slope(tanh_c, dc)
        dc *= o
        steps.sigmoid_slope(gates[:, :3], factors[:, 1:4])
        do *= tanh_c
        di *= g
        df *= tape.cell_states[block]
        steps.tanh_slope(g, dg)
        dg *= i
        if padding is not None:
            steps.clear_padding(factors, block, padding)
            np.copyto(f, 1, where=padding[block])  # a held c passes on all of its derivative
        return factors
