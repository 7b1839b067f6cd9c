"""The loop of `loop.py`, compiled by torch.compile into TorchInductor's kernels.

It is compiled for `STEPS` unrolled steps, which are called over the sequence: to unroll the whole
sequence takes a compile time that grows with its length, and a single step pays for the call of a
compiled graph at every step. Each new shape is compiled anew, and so are the remaining steps of a
length that `STEPS` does not divide. Passes with gradients, without them, and with those of x are
separate graphs.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from backends._torch.loop import loop_scan
from backends._torch.stack import Scan, Stack, State, Weights
from bench.spec import CELLS, ModelSpec

STEPS = 10
VARIANTS = 64
"""How many compiled variants of a function are kept. Shapes, lengths and gradients soon reach
PyTorch's default of eight, and beyond it torch.compile falls back to eager mode."""


def compiled_layers(spec: ModelSpec, weights: Weights) -> Stack:
    limits: dict[str, Any] = {"recompile_limit": VARIANTS, "isolate_recompiles": True}
    if not limits.keys() <= signature(torch.compile).parameters.keys():
        # An older torch.compile: all models of a process share one limit, in its configuration.
        # `cache_size_limit` is its name before 2.7, and later versions still know it.
        config, limits = torch._dynamo.config, {}
        config.cache_size_limit = max(config.cache_size_limit, VARIANTS)
    with _without_compiler_warnings():
        compiled = torch.compile(loop_scan(spec), dynamic=False, **limits)
    return Stack(spec, _scan_in_parts(compiled, CELLS[spec.cell].recurrent), weights)


def _scan_in_parts(compiled: Scan, recurrent: bool) -> Scan:
    """The scan that calls a compiled one for `STEPS` steps at a time."""

    def scan(
        x: Tensor, state: State, weights: Weights, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        # The first part takes the graph of the later ones only if no tensor occurs twice in its
        # state and all of them have a gradient.
        state = tuple(array.clone() for array in state)
        if torch.is_grad_enabled():
            state = tuple(array.requires_grad_() for array in state)
        outputs, size = [], STEPS if recurrent else len(x)
        with _without_compiler_warnings():
            for start in range(0, len(x), size):
                steps = slice(start, start + size)
                mask_of_steps = None if mask is None else mask[steps]
                states, state = compiled(x[steps], state, weights, mask_of_steps)
                outputs.append(states)
        return torch.cat(outputs), state

    return scan


@contextmanager
def _without_compiler_warnings() -> Iterator[None]:
    """Where warnings are errors the compiler could not run: TorchInductor imports what PyTorch
    deprecates and recommends TF32, and TorchDynamo reads the gradients of tensors that are no
    leaves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="TensorFloat32", category=UserWarning)
        warnings.filterwarnings("ignore", message="The .grad attribute", category=UserWarning)
        yield
