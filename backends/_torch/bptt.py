"""A scan whose backward pass is written by hand, in plain ATen calls: no compiler, no fused layer.

The passes follow `backends/_bptt.py`, with sequences `(T, B, features)`. Arrays that do not
leave a pass lie in buffers that the next pass overwrites, so neither a derivative of the derivative
nor a second backward pass over the same graph is defined.
"""

from typing import Any

import torch
from torch import Tensor

from backends._torch.bptt_cells import Gru, Lstm, Rnn
from backends._torch.buffers import BufferPool
from backends._torch.loop import feedforward_scan
from backends._torch.stack import Scan, Stack, State, Weights
from bench.spec import CELLS, ModelSpec

PASSES = {"rnn": Rnn, "lstm": Lstm, "gru": Gru}


def bptt_layers(spec: ModelSpec, weights: Weights) -> Stack:
    if not CELLS[spec.cell].recurrent:
        return Stack(spec, feedforward_scan, weights)
    rows: Any = ...
    if spec.cell == "lstm":  # `Lstm` reads o, i, f, g
        rows = torch.arange(spec.hidden, 5 * spec.hidden) % (4 * spec.hidden)
    return Stack(spec, bptt_scan(PASSES[spec.cell]), weights, rows)


def bptt_scan(cell: Any) -> Scan:
    """A scan that autograd differentiates by the cell's own backward pass."""
    pool = BufferPool()

    class AtenScan(torch.autograd.Function):  # the profiler sees this name: see `executed.py`
        @staticmethod
        def forward(
            ctx: Any, mask: Any, x: Tensor, w: Tensor, u: Tensor, b: Tensor, *cell_arguments: Tensor
        ) -> Any:
            preactivations = pool.take(x, *x.shape[:2], len(w))
            torch.addmm(b, _flat(x), w.t(), out=_flat(preactivations))
            tape = cell.forward(pool, preactivations, u, mask, *cell_arguments)
            ctx.save_for_backward(mask, x, w, u, *tape)
            ctx.set_materialize_grads(False)
            return tape[0][1:], *(states[-1].clone() for states in tape[: cell.states])

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, d_hidden: Tensor | None, *d_final: Tensor | None) -> Any:
            mask, x, w, u, *tape = ctx.saved_tensors
            derivatives = cell.backward(pool, tape, u, mask, d_hidden, d_final)
            d_u = _summed_product(derivatives.state_side, tape[0][:-1])
            d_preactivations = derivatives.state_side
            d_second_bias: tuple[Any, ...] = ()
            if derivatives.candidate is not None:
                block = d_preactivations[:, :, -u.shape[1] :]
                d_second_bias = (_flat(block).sum(0),)
                block.copy_(derivatives.candidate)
            flat = _flat(d_preactivations)
            dx = (flat @ w).view(x.shape) if ctx.needs_input_grad[1] else None
            d_w = _summed_product(x, d_preactivations).t()
            d_b = flat.sum(0)
            pool.give_back(*tape[1:])
            return None, dx, d_w, d_u, d_b, *d_second_bias, *derivatives.initial_state

    def scan(x: Tensor, state: State, weights: Weights, mask: Tensor | None) -> Any:
        w, u, b = weights["w"], weights["u"], weights["b"]
        second_bias = (weights["b_hn"],) if "b_hn" in weights else ()
        hidden, *final = AtenScan.apply(mask, x, w, u, b, *second_bias, *state)
        return hidden, tuple(final)

    return scan


def _flat(sequence: Tensor) -> Tensor:
    return sequence.reshape(-1, sequence.shape[-1])


def _summed_product(a: Tensor, b: Tensor) -> Tensor:
    """The sum over steps and batch of a bᵀ, as one product."""
    return _flat(a).t() @ _flat(b)
