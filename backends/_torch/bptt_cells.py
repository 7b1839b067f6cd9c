"""The two passes of each cell in ATen calls, in place and in buffers of a pool.

`forward(pool, a, u, mask, …)` takes a = W x + b of all steps `(T, B, G·H)` and overwrites it. The
first tensors of the tape are the states `(T + 1, B, H)`, beginning with the initial ones; all but
the very first come from the pool. `backward` gets dL/dh of all steps from above and the
derivatives of the final states, None where there are none. It may overwrite the tape, except its
first tensor.
"""

from typing import Any

import torch
from torch import Tensor

from backends._torch.bptt_steps import (
    Derivatives,
    Tape,
    in_reverse,
    last_and_previous,
    padding_of,
    states_from,
    step_back_with,
    steps_of,
    tanh_slope,
)
from backends._torch.buffers import BufferPool


class Rnn:
    """h' = tanh(a + U h), with a = W x + b (Elman 1990)."""

    states = 1

    @staticmethod
    def forward(pool: BufferPool, a: Tensor, u: Tensor, mask: Tensor | None, h: Tensor) -> Tape:
        hidden, ut, masks = states_from(h, len(a)), u.t(), steps_of(mask, len(a))
        h, *after = hidden.unbind(0)
        for t, a_t in enumerate(a.unbind(0)):
            new = torch.tanh(a_t.addmm_(h, ut), out=after[t])
            h = new if mask is None else torch.where(masks[t], new, h, out=new)
        return hidden, a

    @staticmethod
    def backward(
        pool: BufferPool,
        tape: Tape,
        u: Tensor,
        mask: Tensor | None,
        d_hidden: Tensor | None,
        d_final: Any,
    ) -> Derivatives:
        """da = dh'∘(1 − h'²), and dh = Uᵀ da."""
        hidden, a = tape
        da, step_back = tanh_slope(hidden[1:], out=a), step_back_with(u)
        if mask is not None:
            da.mul_(mask)
        dh, from_above = last_and_previous(d_hidden, d_final[0], da)
        for da_t, above, padding in in_reverse(da, from_above, padding_of(mask, da)):
            d_held = None if padding is None else dh * padding
            step_back(dh, da_t.mul_(dh), above, d_held)
        return Derivatives(da, (dh,))


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000), with
    i, f, o = σ(a + U h), g = tanh(a + U h) and a = W x + b.

    The gates lie in the order o, i, f, g: σ makes the first three, and the last three make c'.
    """

    states = 2

    @staticmethod
    def forward(
        pool: BufferPool, a: Tensor, u: Tensor, mask: Tensor | None, h: Tensor, c: Tensor
    ) -> Tape:
        time, size, ut = len(a), u.shape[1], u.t()
        if mask is not None:  # in padding i = 0 and f = 1, so that c' = c
            a[:, :, size : 2 * size].masked_fill_(~mask, -torch.inf)
            a[:, :, 2 * size : 3 * size].masked_fill_(~mask, torch.inf)
        hidden, tanh_c = states_from(h, time), pool.take(a, time, *h.shape)
        cell_states = states_from(c, time, pool)
        o, i, f, g = (gate.unbind(0) for gate in a.split(size, 2))
        oif, masks = a[:, :, : 3 * size].unbind(0), steps_of(mask, time)
        tanh_c_steps = tanh_c.unbind(0)
        (h, *h_after), (c, *c_after) = hidden.unbind(0), cell_states.unbind(0)
        for t, a_t in enumerate(a.unbind(0)):
            a_t.addmm_(h, ut)
            oif[t].sigmoid_()
            c = torch.mul(f[t], c, out=c_after[t]).addcmul_(i[t], g[t].tanh_())
            new = torch.mul(o[t], torch.tanh(c, out=tanh_c_steps[t]), out=h_after[t])
            h = new if mask is None else torch.where(masks[t], new, h, out=new)
        return hidden, cell_states, a, tanh_c

    @staticmethod
    def backward(
        pool: BufferPool,
        tape: Tape,
        u: Tensor,
        mask: Tensor | None,
        d_hidden: Tensor | None,
        d_final: Any,
    ) -> Derivatives:
        """dc' gains dh'∘o∘(1 − tanh²(c')); da_o is a multiple of dh', and da_i, da_f and da_g are
        multiples of dc'; dc = f∘dc', and dh = Uᵀ da."""
        da, dc_factors, forget = Lstm.factors(pool, tape, mask)
        gates, step_back = da.unflatten(2, (4, -1)), step_back_with(u)
        dh, from_above = last_and_previous(d_hidden, d_final[0], dc_factors)
        dc, _ = last_and_previous(None, d_final[1], dc_factors)
        dc_of_gates = dc[:, None]
        steps = in_reverse(
            da,
            gates[:, :, 0],
            gates[:, :, 1:],
            dc_factors,
            forget,
            from_above,
            padding_of(mask, da),
        )
        for da_t, da_o, da_ifg, dc_factor, f, above, padding in steps:
            d_held = None if padding is None else dh * padding
            dc.addcmul_(dh, dc_factor)
            da_o.mul_(dh)
            da_ifg.mul_(dc_of_gates)
            dc.mul_(f)
            step_back(dh, da_t, above, d_held)
        pool.give_back(forget)
        return Derivatives(da, (dh, dc))

    @staticmethod
    def factors(pool: BufferPool, tape: Tape, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The factors of all steps, and f. In place of the gates: what makes da_o of dh', and da_i,
        da_f and da_g of dc', by multiplication. In place of tanh(c'): what makes of dh' its share
        of dc'."""
        hidden, cell_states, gates, tanh_c = tape
        o, i, f, g = gates.chunk(4, 2)
        h, forget = hidden[1:], pool.take(f, *f.shape).copy_(f)
        product = torch.mul(i, g, out=pool.take(g, *g.shape))
        dc_factors = torch.addcmul(o, tanh_c, h, value=-1, out=tanh_c)
        torch.addcmul(h, o, h, value=-1, out=o)
        torch.addcmul(i, g, product, value=-1, out=g)
        torch.addcmul(product, i, product, value=-1, out=i)
        torch.mul(forget, cell_states[:-1], out=product)
        torch.addcmul(product, forget, product, value=-1, out=f)
        if mask is not None:
            o.mul_(mask)
            dc_factors.mul_(mask)
        pool.give_back(product)
        return gates, dc_factors, forget


class Gru:
    """h' = (1 − z)∘n + z∘h, with r, z = σ(a + U h), n = tanh(a_n + r∘(U_n h + b_hn)) and
    a = W x + b: the form reset_after (Cho et al. 2014, as cuDNN computes it)."""

    states = 1

    @staticmethod
    def forward(
        pool: BufferPool, a: Tensor, u: Tensor, mask: Tensor | None, b_hn: Tensor, h: Tensor
    ) -> Tape:
        time, size = len(a), u.shape[1]
        if mask is not None:  # in padding z = 1, so that h' = h
            a[:, :, size : 2 * size].masked_fill_(~mask, torch.inf)
        hidden, inner = states_from(h, time), pool.take(a, time, *h.shape)
        ut_rz, ut_n = u[: 2 * size].t(), u[2 * size :].t()
        r, z, n = (gate.unbind(0) for gate in a.split(size, 2))
        h, *after = hidden.unbind(0)
        inner_steps = inner.unbind(0)
        for t, rz in enumerate(a[:, :, : 2 * size].unbind(0)):
            rz.addmm_(h, ut_rz).sigmoid_()
            product = torch.addmm(b_hn, h, ut_n, out=inner_steps[t])
            h = torch.lerp(n[t].addcmul_(r[t], product).tanh_(), h, z[t], out=after[t])
        return hidden, a, inner

    @staticmethod
    def backward(
        pool: BufferPool,
        tape: Tape,
        u: Tensor,
        mask: Tensor | None,
        d_hidden: Tensor | None,
        d_final: Any,
    ) -> Derivatives:
        """All derivatives are multiples of dh'; dh = z∘dh' + Uᵀ d(U h)."""
        da, candidate_factors, z = Gru.factors(pool, *tape)
        total = pool.take(tape[0], *tape[0].shape)
        total[-1], from_above = last_and_previous(d_hidden, d_final[0], candidate_factors)
        gates, after, before = da.unflatten(2, (3, -1)), total[1:], total[:-1]
        steps = in_reverse(da, gates, z, after, after[:, :, None], before, from_above)
        for da_t, gates_t, z_t, dh, dh_of_gates, dh_before, above in steps:
            gates_t.mul_(dh_of_gates)
            if above is None:
                torch.mul(dh, z_t, out=dh_before)
            else:
                torch.addcmul(above, dh, z_t, out=dh_before)
            dh_before.addmm_(da_t, u)
        d_candidate = candidate_factors.mul_(after)
        derivatives = Derivatives(da, (total[0].clone(),), d_candidate)
        pool.give_back(total, z)
        return derivatives

    @staticmethod
    def factors(
        pool: BufferPool, hidden: Tensor, gates: Tensor, inner: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The factors by which dh' of all steps is multiplied, and z. In place of the gates: for
        da_r, da_z and d(U_n h + b_hn). In place of U_n h + b_hn: for da_n."""
        r, z, n = gates.chunk(3, 2)
        z_copy = pool.take(z, *z.shape).copy_(z)
        change = torch.sub(hidden[:-1], n, out=pool.take(n, *n.shape))
        tanh_slope(n, out=n)
        n.addcmul_(n, z, value=-1)
        torch.addcmul(z, z, z, value=-1, out=z).mul_(change)
        r_factors = torch.addcmul(r, r, r, value=-1, out=change).mul_(inner).mul_(n)
        inner.copy_(n)
        n.mul_(r)
        r.copy_(r_factors)
        pool.give_back(change)
        return gates, inner, z_copy
