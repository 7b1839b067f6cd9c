"""Matrix products alone, as XLA has them: cuBLAS' on a GPU."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends._jax.runtime import find_device
from bench.spec import Operands


def multiply_all(operands: Sequence[Operands], dtype: str, device: str) -> Callable[[], None]:
    """A call of all products, compiled as one function, that returns when the device is done."""
    counts = [count for *_, count in operands]
    with jax.enable_x64(dtype == "float64"):
        place = find_device(device)
        pairs = [
            tuple(jax.device_put(jnp.asarray(m, dtype), place) for m in (a, b))
            for a, b, _ in operands
        ]
        compiled = jax.jit(lambda pairs: _products(pairs, counts)).lower(pairs).compile()

    def call() -> None:
        jax.block_until_ready(compiled(pairs))

    return call


def _products(pairs: Sequence[tuple[Any, Any]], counts: Sequence[int]) -> list[Any]:
    return [_repeated(a, b, count) for (a, b), count in zip(pairs, counts, strict=True)]


def _repeated(a: Any, b: Any, count: int) -> Any:
    """The last of `count` products, each with one element of the product before it in `a`: XLA
    would compute a product that never changes once, and an `optimization_barrier` does not keep it
    from that."""

    def multiply(_: Any, operands: Any) -> Any:
        a, last = operands
        a = a.at[0, 0].set(jnp.tanh(last[0, 0]))
        return a, jnp.matmul(a, b, precision="highest")

    zeros = jnp.zeros((a.shape[0], b.shape[1]), a.dtype)
    return lax.fori_loop(0, count, multiply, (a, zeros))[1]
