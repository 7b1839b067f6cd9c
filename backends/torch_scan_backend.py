"""The recurrence written for autograd by hand, in plain ATen calls: no compiler, no fused layer.

One product makes W x + b for all steps. The loop over time does what depends on the state alone,
in place and in buffers made beforehand. The backward loop is shorter still: whatever multiplies
the derivative of the state is computed for all steps at once before it; dW, dU, db and dx are
one product each after it, over the derivatives of the pre-activations that it leaves (Werbos
1990). Whatever does not leave a pass lies in buffers that the next one uses again. A derivative of
the derivative is not defined, nor a second backward pass over the same graph.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from backends import _torch
from backends._torch import devices, peak_memory, reset_peak_memory, settings, unavailable
from bench.spec import Limit, ModelSpec, Params, Supports, Training

__all__ = ["devices", "peak_memory", "reset_peak_memory", "settings", "unavailable"]

REQUIRES = ("torch",)
SUPPORTS = Supports(
    dtypes=_torch.DTYPES,
    gru=("reset_after",),
    decoder=True,
    generation=True,
    limits={"reset_before": Limit("ours", "only reset_after is written")},
)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _torch.TorchSession:
    return _torch.open_session(SUPPORTS, layers, spec, params, device, training)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "aten" if spec.cell == "feedforward" else "aten-scan"


def layers(spec: ModelSpec, weights: Mapping[str, Any]) -> _torch.Stack:
    import torch

    if spec.cell == "feedforward":
        return _torch.Stack(spec, _torch.feedforward, weights)
    cell, rows = {"rnn": Rnn, "lstm": Lstm, "gru": Gru}[spec.cell], ...
    if spec.cell == "lstm":
        rows = torch.arange(spec.hidden, 5 * spec.hidden) % (4 * spec.hidden)
    return _torch.Stack(spec, scan(cell), weights, rows)


def scan(cell: Any) -> _torch.Scan:
    """A pass over one direction of one layer, differentiated by the cell's own backward."""
    import torch

    space = Space()

    class AtenScan(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, keep: Any, x: Any, w: Any, u: Any, b: Any, *rest: Any) -> Any:
            a = space.take(x, *x.shape[:2], len(w))
            torch.addmm(b, _flat(x), w.t(), out=_flat(a))
            tape = cell.forward(space, a, u, keep, *rest)
            ctx.save_for_backward(keep, x, w, u, *tape)
            ctx.set_materialize_grads(False)
            return tape[0][1:], *(states[-1].clone() for states in tape[: cell.states])

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, d_hidden: Any, *d_final: Any) -> Any:
            keep, x, w, u, *tape = ctx.saved_tensors
            back = cell.backward(space, tape, u, keep, d_hidden, d_final)
            d_u = _outer(back.recurrent, tape[0][:-1])
            da, d_bias = back.recurrent, ()
            if back.candidate is not None:
                block = da[:, :, -u.shape[1] :]
                d_bias = (_flat(block).sum(0),)
                block.copy_(back.candidate)
            dx = (_flat(da) @ w).view(x.shape) if ctx.needs_input_grad[1] else None
            grads = dx, _outer(x, da).t(), d_u, _flat(da).sum(0), *d_bias
            space.give(*tape[1:])
            return None, *grads, *back.state

    def run(x: Any, state: Any, p: Mapping[str, Any], keep: Any) -> Any:
        bias = (p["b_hn"],) if "b_hn" in p else ()
        hidden, *final = AtenScan.apply(keep, x, p["w"], p["u"], p["b"], *bias, *state)
        return hidden, tuple(final)

    return run


class Space:
    """Buffers on the CPU to be used again, by shape and dtype: fresh memory costs a page fault for
    every 4 KiB. Those of the shapes that were given back last are kept. On a GPU PyTorch itself
    keeps what is freed."""

    SHAPES = 8
    """A pass over sequences of one length has up to four."""

    def __init__(self) -> None:
        self._free: dict[tuple[Any, ...], list[Any]] = {}

    def take(self, like: Any, *shape: int) -> Any:
        """A buffer that no pass holds, of the dtype and on the device of that tensor."""
        free = self._free.get((like.dtype, *shape))
        return free.pop() if free and not like.is_cuda else like.new_empty(shape)

    def give(self, *buffers: Any) -> None:
        for buffer in buffers:
            if not buffer.is_cuda:
                key = (buffer.dtype, *buffer.shape)
                self._free[key] = [*self._free.pop(key, []), buffer]
        while len(self._free) > self.SHAPES:
            del self._free[next(iter(self._free))]


class Back(NamedTuple):
    """Derivatives of what the recurrent product gives `(T, B, G·H)`, of the initial state, and
    of the gru's pre-activation of the candidate, which is not that of its recurrent product."""

    recurrent: Any
    state: tuple[Any, ...]
    candidate: Any = None


# ---- the cells ------------------------------------------------------------------------------
# `forward(a, u, keep, …)` takes a = W x + b of all steps `(T, B, G·H)`, to be overwritten; the
# tape's first tensors are the states `(T + 1, B, H)`, beginning with the initial ones, and all but
# the first are of the space. `backward` gets dL/dh of all steps from above and those of the final
# states, None where nothing comes; it may overwrite the tape but for its first tensor.


class Rnn:
    """h' = tanh(a + U h) (Elman 1990)."""

    states = 1

    @staticmethod
    def forward(space: Space, a: Any, u: Any, keep: Any, h: Any) -> tuple[Any, ...]:
        import torch

        hidden, ut, kept = _from(h, len(a)), u.t(), _each(keep, len(a))
        h, *after = hidden.unbind(0)
        for t, at in enumerate(a.unbind(0)):
            new = torch.tanh(at.addmm_(h, ut), out=after[t])
            h = new if keep is None else torch.where(kept[t], new, h, out=new)
        return hidden, a

    @staticmethod
    def backward(space: Space, tape: Any, u: Any, keep: Any, d_hidden: Any, d_final: Any) -> Back:
        hidden, a = tape
        da, into = _one_minus_square(hidden[1:], out=a), _into(u)
        if keep is not None:
            da.mul_(keep)
        dh, above = _incoming(d_hidden, d_final[0], da)
        for d, more, ended in _back(da, above, _ended(keep, da)):
            held = None if ended is None else dh * ended
            into(dh, d.mul_(dh), more, held)
        return Back(da, (dh,))


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000). Gates
    lie in the order o, i, f, g: σ makes the first three, the cell state reads the last three."""

    states = 2

    @staticmethod
    def forward(space: Space, a: Any, u: Any, keep: Any, h: Any, c: Any) -> tuple[Any, ...]:
        import torch

        time, size, ut = len(a), u.shape[1], u.t()
        if keep is not None:  # c' = c where i = 0 and f = 1
            a[:, :, size : 2 * size].masked_fill_(~keep, -torch.inf)
            a[:, :, 2 * size : 3 * size].masked_fill_(~keep, torch.inf)
        hidden, squashed = _from(h, time), space.take(a, time, *h.shape)
        cells = _from(c, time, space)
        o, i, f, g = (gate.unbind(0) for gate in a.split(size, 2))
        sigmoids, kept, outputs = (
            a[:, :, : 3 * size].unbind(0),
            _each(keep, time),
            squashed.unbind(0),
        )
        (h, *h_after), (c, *c_after) = hidden.unbind(0), cells.unbind(0)
        for t, at in enumerate(a.unbind(0)):
            at.addmm_(h, ut)
            sigmoids[t].sigmoid_()
            c = torch.mul(f[t], c, out=c_after[t]).addcmul_(i[t], g[t].tanh_())
            new = torch.mul(o[t], torch.tanh(c, out=outputs[t]), out=h_after[t])
            h = new if keep is None else torch.where(kept[t], new, h, out=new)
        return hidden, cells, a, squashed

    @staticmethod
    def backward(space: Space, tape: Any, u: Any, keep: Any, d_hidden: Any, d_final: Any) -> Back:
        da, d_cell, forget = _lstm_factors(space, tape, keep)
        gates, into = da.unflatten(2, (4, -1)), _into(u)
        dh, above = _incoming(d_hidden, d_final[0], d_cell)
        dc, _ = _incoming(None, d_final[1], d_cell)
        dc_row = dc[:, None]
        each = (da, gates[:, :, 0], gates[:, :, 1:], d_cell, forget, above, _ended(keep, da))
        for d, do, d_ifg, d_cell_t, f, more, ended in _back(*each):
            held = None if ended is None else dh * ended
            dc.addcmul_(dh, d_cell_t)
            do.mul_(dh)
            d_ifg.mul_(dc_row)
            dc.mul_(f)
            into(dh, d, more, held)
        space.give(forget)
        return Back(da, (dh, dc))


def _lstm_factors(space: Space, tape: Any, keep: Any) -> tuple[Any, Any, Any]:
    """In the place of the gates what to multiply dL/dh by for the derivative of o, and dL/dc' for
    those of i, f and g; in that of tanh(c'), dL/dh for its part in dL/dc'; and f."""
    import torch

    hidden, cells, gates, squashed = tape
    o, i, f, g = gates.chunk(4, 2)
    h, forget = hidden[1:], space.take(f, *f.shape).copy_(f)
    product = torch.mul(i, g, out=space.take(g, *g.shape))
    d_cell = torch.addcmul(o, squashed, h, value=-1, out=squashed)
    torch.addcmul(h, o, h, value=-1, out=o)
    torch.addcmul(i, g, product, value=-1, out=g)
    torch.addcmul(product, i, product, value=-1, out=i)
    torch.mul(forget, cells[:-1], out=product)
    torch.addcmul(product, forget, product, value=-1, out=f)
    if keep is not None:
        o.mul_(keep)
        d_cell.mul_(keep)
    space.give(product)
    return gates, d_cell, forget


class Gru:
    """n = tanh(a_n + r∘(U_n h + b_hn)), h' = (1 − z)∘n + z∘h (reset_after)."""

    states = 1

    @staticmethod
    def forward(space: Space, a: Any, u: Any, keep: Any, b_hn: Any, h: Any) -> tuple[Any, ...]:
        import torch

        time, size = len(a), u.shape[1]
        if keep is not None:  # h' = h where z = 1
            a[:, :, size : 2 * size].masked_fill_(~keep, torch.inf)
        hidden, candidates = _from(h, time), space.take(a, time, *h.shape)
        u_gates, u_new = u[: 2 * size].t(), u[2 * size :].t()
        r, z, n = (gate.unbind(0) for gate in a.split(size, 2))
        h, *after = hidden.unbind(0)
        products = candidates.unbind(0)
        for t, gates in enumerate(a[:, :, : 2 * size].unbind(0)):
            gates.addmm_(h, u_gates).sigmoid_()
            product = torch.addmm(b_hn, h, u_new, out=products[t])
            h = torch.lerp(n[t].addcmul_(r[t], product).tanh_(), h, z[t], out=after[t])
        return hidden, a, candidates

    @staticmethod
    def backward(space: Space, tape: Any, u: Any, keep: Any, d_hidden: Any, d_final: Any) -> Back:
        import torch

        da, d_new, z = _gru_factors(space, *tape)
        total = space.take(tape[0], *tape[0].shape)
        total[-1], above = _incoming(d_hidden, d_final[0], d_new)
        row, before = total[1:, :, None], total[:-1]
        each = (da, da.unflatten(2, (3, -1)), z, total[1:], row, before, above)
        for d, gates, zt, dh, dh_row, dh_before, more in _back(*each):
            gates.mul_(dh_row)
            if more is None:
                torch.mul(dh, zt, out=dh_before)
            else:
                torch.addcmul(more, dh, zt, out=dh_before)
            dh_before.addmm_(d, u)
        back = Back(da, (total[0].clone(),), d_new.mul_(total[1:]))
        space.give(total, z)
        return back


def _gru_factors(space: Space, hidden: Any, gates: Any, candidates: Any) -> tuple[Any, Any, Any]:
    """In the place of the gates what to multiply dL/dh' by for the derivatives of what the
    recurrent product gives; in that of the candidates, for that of the pre-activation of n; and
    z."""
    import torch

    r, z, n = gates.chunk(3, 2)
    held = space.take(z, *z.shape).copy_(z)
    change = torch.sub(hidden[:-1], n, out=space.take(n, *n.shape))
    _one_minus_square(n, out=n)
    n.addcmul_(n, z, value=-1)
    torch.addcmul(z, z, z, value=-1, out=z).mul_(change)
    of_r = torch.addcmul(r, r, r, value=-1, out=change).mul_(candidates).mul_(n)
    candidates.copy_(n)
    n.mul_(r)
    r.copy_(of_r)
    space.give(change)
    return gates, candidates, held


# ---- arrays ---------------------------------------------------------------------------------


def _flat(sequence: Any) -> Any:
    return sequence.reshape(-1, sequence.shape[-1])


def _outer(d: Any, x: Any) -> Any:
    """Σ over steps and batch of d xᵀ: one product."""
    return _flat(d).t() @ _flat(x)


def _one_minus_square(v: Any, out: Any = None) -> Any:
    import torch

    return torch.addcmul(v.new_ones(()), v, v, value=-1, out=out)


def _from(initial: Any, time: int, space: Space | None = None) -> Any:
    """States `(T + 1, B, H)` that begin with the initial one."""
    shape = (time + 1, *initial.shape)
    states = space.take(initial, *shape) if space else initial.new_empty(shape)
    states[0] = initial
    return states


def _incoming(d_states: Any, d_final: Any, like: Any) -> tuple[Any, list[Any]]:
    """dL/dh of the last state, in a buffer of its own; and for each step what comes from above
    into the state before it."""
    d_last = like.new_zeros(like.shape[1:]) if d_final is None else d_final.clone()
    if d_states is None:
        return d_last, [None] * len(like)
    before = d_states.unbind(0)
    return d_last.add_(before[-1]), [None, *before[:-1]]


def _into(u: Any) -> Any:
    """dL/dh before a step from the derivative of its recurrent product, what comes from above,
    and what a held state passes on."""
    import torch

    def into(dh: Any, d: Any, more: Any, held: Any) -> None:
        if more is None:
            torch.mm(d, u, out=dh)
        else:
            torch.addmm(more, d, u, out=dh)
        if held is not None:
            dh.add_(held)

    return into


def _each(sequence: Any, time: int) -> Any:
    return [None] * time if sequence is None else sequence.unbind(0)


def _ended(keep: Any, like: Any) -> Any:
    return [None] * len(like) if keep is None else (~keep).to(like.dtype)


def _back(*sequences: Any) -> Any:
    """Their steps together, the last first."""
    lists = (s if isinstance(s, list) else s.unbind(0) for s in sequences)
    return zip(*map(reversed, lists), strict=True)
