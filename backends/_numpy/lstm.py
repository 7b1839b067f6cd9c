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
        for t, a_t in enumerate(a):
            a_t += np.matmul(u, hidden[t], out=recurrent)
            steps.sigmoid(a_t[: 3 * size])
            o, i, f, g = gates[t]
            np.tanh(g, out=g)
            np.multiply(f, cell_states[t], out=cell_states[t + 1])
            cell_states[t + 1] += np.multiply(i, g, out=ig)
            steps.hold(cell_states, t, padding)
            np.tanh(cell_states[t + 1], out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=hidden[t + 1])
            steps.hold(hidden, t, padding)
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
        for block in steps.blocks_in_reverse(time, 5 * size * batch):
            factors = Lstm.factors(scratch, tape, block, padding)
            for t, factor in steps.in_reverse(block, factors):
                np.multiply(d_hidden[t + 1], factor[:2], out=at_step[:2])
                d_cell_state += dc_of_h
                np.multiply(d_cell_state, factor[2:], out=at_step[2:])
                d_cell_state *= tape.gates[t, 2]
                da[:, t] = da_t
                d_hidden[t] += np.matmul(ut, da_t, out=recurrent)
                steps.pass_held(d_hidden, t, padding)
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
