"""Scans that call PyTorch's own cells at every step from Python."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from backends._torch.stack import Scan, Stack, State, Weights
from bench.spec import CELLS, ModelSpec

Cell = Callable[[Tensor, State], State]
"""One step: the state after it from x `(B, D)` and the state before it."""


def loop_layers(spec: ModelSpec, weights: Weights) -> Stack:
    return Stack(spec, loop_scan(spec), weights)


def loop_scan(spec: ModelSpec) -> Scan:
    """The scan that runs the model's cell step by step; the feedforward cell runs at once."""
    if not CELLS[spec.cell].recurrent:
        return feedforward_scan

    def scan(
        x: Tensor, state: State, weights: Weights, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        states = list(run_steps(spec, x, state, weights, mask))
        return torch.stack([step[0] for step in states]), states[-1]

    return scan


def run_steps(
    spec: ModelSpec, x: Tensor, state: State, weights: Weights, mask: Tensor | None
) -> Iterator[State]:
    """The state after each step."""
    cell = _cell(spec, weights)
    for t, x_t in enumerate(x.unbind(0)):
        after = cell(x_t, state)
        if mask is not None:
            pairs = zip(after, state, strict=True)
            after = tuple(torch.where(mask[t], new, previous) for new, previous in pairs)
        state = after
        yield state


def feedforward_scan(
    x: Tensor, state: State, weights: Weights, mask: Tensor | None
) -> tuple[Tensor, State]:
    """h' = tanh(W x + b) of all steps at once. In padding h is that of the last real step."""
    states = torch.tanh(linear(x, weights["w"], weights["b"]))
    if mask is not None:
        steps = torch.arange(1, len(x) + 1, device=x.device)[:, None, None]
        last_real = torch.where(mask, steps, 0).cummax(0).values.expand_as(states)
        states = torch.cat([state[0][None], states]).gather(0, last_real)
    return states, (states[-1], *state[1:])


def _cell(spec: ModelSpec, weights: Weights) -> Cell:
    """The functions that nn.RNNCell, nn.LSTMCell and nn.GRUCell call, with one bias."""
    w, u, b = weights["w"], weights.get("u"), weights["b"]
    if spec.cell == "feedforward":
        return lambda x, state: (torch.tanh(linear(x, w, b)), *state[1:])
    if spec.cell == "rnn":
        return lambda x, state: (torch.rnn_tanh_cell(x, *state, w, u, b),)
    if spec.cell == "lstm":
        # On CUDA lstm_cell has no gradient without a second bias.
        second_bias = torch.zeros_like(b) if b.is_cuda else None
        return lambda x, state: torch.lstm_cell(x, state, w, u, b, second_bias)
    if spec.gru == "reset_before":
        return lambda x, state: (_gru_reset_before(x, state[0], w, u, b),)
    second_bias = pad(weights["b_hn"], (2 * spec.hidden, 0))
    return lambda x, state: (torch.gru_cell(x, *state, w, u, b, second_bias),)


def _gru_reset_before(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    """h' = (1 − z)∘n + z∘h with n = tanh(W_n x + b_n + U_n (r∘h)) (Cho et al. 2014): the form that
    PyTorch lacks."""
    size = h.shape[1]
    a = linear(x, w, b)
    r, z = torch.sigmoid(a[:, : 2 * size] + linear(h, u[: 2 * size])).chunk(2, 1)
    n = torch.tanh(a[:, 2 * size :] + linear(r * h, u[2 * size :]))
    return torch.lerp(n, h, z)
