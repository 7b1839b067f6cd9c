"""Layers made of scans.

A scan is one pass over one direction of one layer, time-major, in the direction's own order:
`scan(x, state, weights, mask) -> (states, final)` with x `(T, B, D)`, state and final `(h,)` or
`(h, c)` of `(B, H)`, weights by their short names, and states `(T, B, H)`. `mask` `(T, B, 1)` is
true where a step is real, and beyond the end of a sequence the state is held; it is None where all
are full.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from bench.spec import CELLS, ModelSpec

State = tuple[Tensor, ...]
Weights = Mapping[str, Tensor]
Scan = Callable[[Tensor, State, Weights, Tensor | None], tuple[Tensor, State]]

Slot = tuple[str, Parameter, Any]
"""A canonical name, a parameter, and the index at which it holds that weight. The name is empty
for the rest of a parameter, which stays zero."""


class Stack:
    """The layers of one model, run by a scan. `rows` is the order in which the scan reads the rows
    of the gates: the parameters lie in that order in memory."""

    def __init__(self, spec: ModelSpec, scan: Scan, weights: Weights, rows: Any = ...) -> None:
        self.spec, self.scan = spec, scan
        self.slots: list[Slot] = []
        self.weights: dict[str, dict[str, Tensor]] = {}
        for name, value in weights.items():
            prefix, short_name = name.rsplit(".", 1)
            index = ... if short_name == "b_hn" else rows
            parameter = Parameter(value.clone())
            parameter.data[index] = value
            self.slots.append((name, parameter, index))
            self.weights.setdefault(prefix, {})[short_name] = parameter

    def __call__(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        return run_scans(self.spec, self.scan, self.weights, x, state, lengths)


def weights_by_direction(slots: Sequence[Slot]) -> dict[str, dict[str, Tensor]]:
    """Canonical weights by the prefix of their direction and their short name."""
    weights: dict[str, dict[str, Tensor]] = {}
    for name, parameter, index in slots:
        if name:
            prefix, short_name = name.rsplit(".", 1)
            value = parameter if index is ... else parameter[index]
            weights.setdefault(prefix, {})[short_name] = value
    return weights


def run_scans(
    spec: ModelSpec,
    scan: Scan,
    weights: Mapping[str, Weights],
    x: Tensor,
    state: State | None = None,
    lengths: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Run the scan over all layers and directions; the values of padding are never read."""
    if spec.dtype == "bfloat16":
        weights, x, state = to_bfloat16((weights, x, state))
    inputs, mask, final = x.transpose(0, 1), None, []
    if lengths is not None:
        mask = (torch.arange(x.shape[1])[:, None] < lengths)[:, :, None].to(x.device)
        inputs = torch.where(mask, inputs, 0)
    initial = _initial_states(spec, state, x)
    for layer in range(spec.layers):
        outputs = []
        for name, in_time in (("forward", _unchanged), ("backward", _flipped))[: spec.directions]:
            arrays = weights[f"layers.{layer}.{name}"]
            states, last = scan(in_time(inputs), next(initial), arrays, in_time(mask))
            outputs.append(in_time(states))
            final.append(last)
        inputs = torch.cat(outputs, dim=2) if len(outputs) == 2 else outputs[0]
    return inputs.transpose(0, 1), tuple(_stacked(arrays) for arrays in zip(*final, strict=True))


def to_bfloat16(value: Any) -> Any:
    """A tensor rounded to bfloat16, or every tensor of a mapping or tuple."""
    if isinstance(value, Mapping):
        return {name: to_bfloat16(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(to_bfloat16(item) for item in value)
    return None if value is None else value.to(torch.bfloat16)


def _initial_states(spec: ModelSpec, state: State | None, x: Tensor) -> Iterator[State]:
    """The initial state of each layer and direction in turn."""
    if state is not None:
        return zip(*(array.unbind(0) for array in state), strict=True)
    zeros = x.new_zeros(len(x), spec.hidden)
    zero_state = (zeros,) * len(CELLS[spec.cell].states)
    return iter([zero_state] * (spec.layers * spec.directions))


def _unchanged(sequence: Any) -> Any:
    return sequence


def _flipped(sequence: Any) -> Any:
    return None if sequence is None else sequence.flip(0)


def _stacked(arrays: Sequence[Tensor]) -> Tensor:
    return arrays[0][None] if len(arrays) == 1 else torch.stack(arrays)
