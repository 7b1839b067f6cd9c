"""What the cells of `bptt_cells.py` share: derivatives, states and single steps."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from backends._torch.buffers import BufferPool

Tape = tuple[Tensor, ...]


class Derivatives(NamedTuple):
    """The derivatives of the state side U h `(T, B, G·H)`, which are those of the preactivations,
    and of the initial state. Only the gru's candidate differs, by the factor r: the derivative of
    its input side `(T, B, H)` is `candidate`."""

    state_side: Tensor
    initial_state: tuple[Tensor, ...]
    candidate: Tensor | None = None


def tanh_slope(tanh: Tensor, out: Tensor) -> Tensor:
    """tanh' = 1 − tanh²."""
    return torch.addcmul(tanh.new_ones(()), tanh, tanh, value=-1, out=out)


def states_from(initial: Tensor, time: int, pool: BufferPool | None = None) -> Tensor:
    """States `(T + 1, B, H)` that begin with the initial one."""
    shape = (time + 1, *initial.shape)
    states = pool.take(initial, *shape) if pool is not None else initial.new_empty(shape)
    states[0] = initial
    return states


def last_and_previous(
    d_states: Tensor | None, d_final: Tensor | None, like: Tensor
) -> tuple[Tensor, list[Tensor | None]]:
    """The derivative of the last state, in a buffer of its own, and for each step the derivative
    from above of the state before it."""
    d_last = like.new_zeros(like.shape[1:]) if d_final is None else d_final.clone()
    if d_states is None:
        return d_last, [None] * len(like)
    steps = d_states.unbind(0)
    return d_last.add_(steps[-1]), [None, *steps[:-1]]


def step_back_with(u: Tensor) -> Callable[[Tensor, Tensor, Tensor | None, Tensor | None], None]:
    """A function that turns dh' into dh, in place: Uᵀ da, plus what comes from above, plus what a
    held state passes on."""

    def step_back(dh: Tensor, da: Tensor, above: Tensor | None, d_held: Tensor | None) -> None:
        if above is None:
            torch.mm(da, u, out=dh)
        else:
            torch.addmm(above, da, u, out=dh)
        if d_held is not None:
            dh.add_(d_held)

    return step_back


def steps_of(sequence: Tensor | None, time: int) -> Sequence[Any]:
    return [None] * time if sequence is None else sequence.unbind(0)


def padding_of(mask: Tensor | None, like: Tensor) -> Any:
    """1 beyond the end of a sequence, as numbers; None for each step where all are full."""
    return [None] * len(like) if mask is None else (~mask).to(like.dtype)


def in_reverse(*sequences: Any) -> Iterator[tuple[Any, ...]]:
    """The steps of several sequences together, the last first."""
    lists = (s if isinstance(s, list) else s.unbind(0) for s in sequences)
    return zip(*map(reversed, lists), strict=True)
