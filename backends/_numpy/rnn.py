"""The rnn, and the feedforward cell, which is the rnn without recurrence."""

from typing import Any

import numpy as np

from backends._numpy import steps
from backends._numpy.direction import Derivatives, Direction, Tape
from backends._numpy.products import Product
from bench.spec import Array


class Rnn:
    """h' = tanh(a + U h), with a = W x + b (Elman 1990)."""

    @staticmethod
    def forward(direction: Direction, a: Array, state: Any, padding: Array | None) -> Tape:
        u, scratch = direction.weights["u"], direction.scratch
        hidden = direction.buffers.states("hidden", len(a), state[0])
        recurrent = scratch("recurrent", *a[0].shape)
        h, paddings = hidden[0], steps.steps_of(padding, len(a))
        for a_t, h_after, padding_t in zip(a, hidden[1:], paddings, strict=True):
            a_t += np.dot(u, h, out=recurrent)
            np.tanh(a_t, out=h_after)
            steps.hold(h, h_after, padding_t)
            h = h_after
        return Tape(a, hidden)

    @staticmethod
    def backward(
        direction: Direction, tape: Tape, d_hidden: Array, d_cell_state: Any, padding: Array | None
    ) -> Derivatives:
        """da = dh'∘(1 − h'²), and dh = Uᵀ da."""
        scratch, after = direction.scratch, tape.hidden[1:]
        time, size, batch = after.shape
        ut = scratch.copy("u transposed", direction.weights["u"].T)
        da, recurrent = scratch("da", size, time, batch), scratch("recurrent", size, batch)
        da_t = scratch("da at one step", size, batch)
        dh, paddings = d_hidden[time], steps.steps_of(padding, time)
        for block in steps.blocks_in_reverse(time, size * batch):
            factors = scratch("factors", *after[block].shape)
            steps.tanh_slope(after[block], factors)
            steps.clear_padding(factors, block, padding)
            for t, factor, dh_before in steps.in_reverse(block, factors, d_hidden[block]):
                np.multiply(dh, factor, out=da_t)
                da[:, t] = da_t
                dh_before += np.dot(ut, da_t, out=recurrent)
                steps.pass_held(dh_before, dh, paddings[t])
                dh = dh_before
        return Derivatives(da, (Product(direction.prefix + "u", da, tape.hidden[:-1]),))


class Feedforward:
    """h' = tanh(a), with a = W x + b."""

    @staticmethod
    def forward(direction: Direction, a: Array, state: Any, padding: Array | None) -> Tape:
        hidden = direction.buffers.states("hidden", len(a), state[0])
        np.tanh(a, out=hidden[1:])
        if padding is not None:
            for before, after, padding_t in zip(hidden, hidden[1:], padding, strict=False):
                steps.hold(before, after, padding_t)
        return Tape(a, hidden)

    @staticmethod
    def backward(
        direction: Direction, tape: Tape, d_hidden: Array, d_cell_state: Any, padding: Array | None
    ) -> Derivatives:
        """da = dh'∘(1 − h'²)."""
        if padding is not None:
            for t in reversed(range(len(padding))):
                steps.pass_held(d_hidden[t], d_hidden[t + 1], padding[t])
        da = steps.tanh_slope(tape.hidden[1:], tape.gates)
        da *= d_hidden[1:]
        steps.clear_padding(da, slice(None), padding)
        return Derivatives(direction.scratch.copy("da", da.swapaxes(0, 1)))
