"""Array operations of the hand-written passes, each in the form that XLA compiles well."""

from typing import Any

import jax.numpy as jnp
from jax import lax


def at_step(array: Any, t: Any) -> Any:
    """One step of an array; None of None."""
    return None if array is None else array[t]


def write_step(buffer: Any, value: Any, t: Any) -> Any:
    return lax.dynamic_update_index_in_dim(buffer, value, t, 0)


def write_tape(tape: Any, values: Any, t: Any) -> Any:
    """Write one step of the first arrays of the tape, as many as there are values."""
    written = tuple(write_step(buffer, v, t) for buffer, v in zip(tape, values, strict=False))
    return written + tape[len(written) :]


def hidden_after(operands: Any, final_hidden: Any, t: Any, reverse: bool) -> Any:
    """h after step t `(B, H)`: the h before the next step, which the operands begin with, or the
    final h after the last step."""
    last = 0 if reverse else len(operands) - 1
    following = jnp.clip(t - 1 if reverse else t + 1, 0, len(operands) - 1)
    hidden = lax.dynamic_slice(operands, (following, 0, 0), (1, *final_hidden.shape))[0]
    return jnp.where(t == last, final_hidden, hidden)


def flatten_steps(array: Any) -> Any:
    """`(T, B, n)` as `(T·B, n)`."""
    return array.reshape(-1, array.shape[-1])


def matmul(x: Any, m: Any) -> Any:
    """x m, with x rounded to the dtype of m, summed and returned in the dtype of x."""
    return jnp.matmul(x.astype(m.dtype), m, preferred_element_type=x.dtype)


def sum_outer_products(operands: Any, d: Any, dtype: str) -> Any:
    """Σ operand dᵀ over all steps and sequences `(columns of operands, columns of d)`, in one
    product of `(T·B, ·)` arrays."""
    return matmul(operands.T, d.astype(dtype))


def split_gradients(d_of_hidden: Any, d_of_inputs: Any) -> dict[str, Any]:
    """dL/dU, dL/dW and dL/db from the sums of outer products with h, and with x and 1."""
    # Cut before transposing: otherwise XLA transposes the operands instead.
    return {"u": d_of_hidden.T, "w": d_of_inputs[:-1].T, "b": d_of_inputs[-1]}
