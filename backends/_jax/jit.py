"""What is compiled: most of it once for each model, however many sessions it has."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax


def compile_with(function: Callable[..., Any], *fixed: Any, donate: tuple[int, ...] = ()) -> Any:
    """Return the function under `jax.jit` with its first arguments fixed, arrays as constants;
    `donate` numbers the remaining arguments whose buffers it may reuse."""

    def traced(*arguments: Any) -> Any:
        # No TF32. A product takes its precision when it is traced, so this costs nothing later.
        with jax.default_matmul_precision("highest"):
            return function(*fixed, *arguments)

    return jax.jit(traced, donate_argnums=donate)


# A process that compares more models than this drops the oldest, and with it the memory of its
# compiled code.
compiled = lru_cache(maxsize=64)(compile_with)
"""`compile_with`, once for the same arguments, which are no arrays."""


SHARED_OUT = ("sdy.manual_computation", "SPMDFullToShardShape")
"""What `jax.shard_map` is lowered to, by the partitioners Shardy and GSPMD."""


def path_of(lowered: str) -> str:
    """The kernel that runs a lowered function: only a custom call of cuDNN leaves XLA."""
    if "cudnn_rnn" in lowered:
        return "cudnn"
    return "xla-split" if any(mark in lowered for mark in SHARED_OUT) else "xla"
