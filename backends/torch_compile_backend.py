"""PyTorch's cells in a Python loop, compiled by torch.compile into TorchInductor's kernels.

Compiled are `STEPS` steps at a time, unrolled, which are then called over the sequence: unrolling
all of it takes a compile time that grows with the length, and one step alone pays for a call of a
compiled graph at every step. Each new shape is compiled anew, as is what remains of a length that
`STEPS` does not divide; with and without gradients, and with those of x, are graphs of their own.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from shutil import which
from typing import Any

from backends import _torch
from backends._torch import devices, peak_memory, reset_peak_memory, settings
from bench.spec import ModelSpec, Params, Supports, Training, Unsupported

__all__ = ["devices", "peak_memory", "reset_peak_memory", "settings"]

REQUIRES = ("torch",)
SUPPORTS = Supports(dtypes=_torch.DTYPES, decoder=True, generation=True)
STEPS = 10
VARIANTS = 64


def unavailable(device: str) -> str | None:
    compiler = os.environ.get("CXX", "g++")
    if device == "cpu" and which(compiler) is None:
        return f"TorchInductor needs a C++ compiler, and there is no {compiler}"
    return _torch.unavailable(device)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _torch.TorchSession:
    if reason := unavailable(device):
        raise Unsupported(reason)
    return _torch.open_session(SUPPORTS, layers, spec, params, device, training)


def expected_path(spec: ModelSpec, device: str) -> str:
    return "inductor"


def layers(spec: ModelSpec, weights: Mapping[str, Any]) -> _torch.Stack:
    import torch

    # The default of eight compiled variants is soon reached by shapes, lengths and gradients;
    # beyond it torch.compile goes back to eager mode.
    limits: dict[str, Any] = {"recompile_limit": VARIANTS, "isolate_recompiles": True}
    if not limits.keys() <= signature(torch.compile).parameters.keys():
        config, limits = torch._dynamo.config, {}  # all models of a process share one limit there
        config.cache_size_limit = max(config.cache_size_limit, VARIANTS)  # its name before 2.7 too
    with without_its_warnings():
        compiled = torch.compile(_torch.loop(spec), dynamic=False, **limits)
    return _torch.Stack(spec, in_parts(compiled, spec.cell != "feedforward"), weights)


def in_parts(compiled: _torch.Scan, recurrent: bool) -> _torch.Scan:
    import torch

    def scan(
        x: Any, state: tuple[Any, ...], weights: Mapping[str, Any], keep: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        # One graph for the first part and those after it: no tensor twice, all with a gradient.
        state = tuple(part.clone() for part in state)
        if torch.is_grad_enabled():
            state = tuple(part.requires_grad_() for part in state)
        found, size = [], STEPS if recurrent else len(x)
        with without_its_warnings():
            for start in range(0, len(x), size):
                part = slice(start, start + size)
                kept = None if keep is None else keep[part]
                states, state = compiled(x[part], state, weights, kept)
                found.append(states)
        return torch.cat(found), state

    return scan


@contextmanager
def without_its_warnings() -> Iterator[None]:
    """TorchInductor imports what PyTorch deprecates and recommends TF32, and TorchDynamo looks at
    the gradients of tensors that are no leaves: where warnings are errors, it could not compile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="TensorFloat32", category=UserWarning)
        warnings.filterwarnings("ignore", message="The .grad attribute", category=UserWarning)
        yield
