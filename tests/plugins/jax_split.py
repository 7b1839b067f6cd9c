"""The JAX adapter with the GRU's gates cut by `jnp.split`, as much published code has it.

jax 0.10.2 is reported to compile wrong input-side gradients for it on some processors, at small
odd sizes, in float64 and under jit. Whether it does on yours, the parity gate says:
`python run_bench.py --backends tests/plugins/jax_split.py --cells gru --dtypes float64
--probes parity --profile smoke`.
"""

from typing import Any

from backends import jax_backend

REQUIRES, SUPPORTS = jax_backend.REQUIRES, jax_backend.SUPPORTS
devices, unavailable = jax_backend.devices, jax_backend.unavailable


def gru(a: Any, h: Any, *, u: Any, b_hn: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    a_r, a_z, a_n = jnp.split(a, 3, axis=1)
    v_r, v_z, v_n = jnp.split(h @ u.T, 3, axis=1)
    r, z = sigmoid(a_r + v_r), sigmoid(a_z + v_z)
    n = jnp.tanh(a_n + r * (v_n + b_hn))
    return ((1 - z) * n + z * h,)


def open_session(*args: Any, **more: Any) -> Any:
    jax_backend.CELLS["reset_after"] = gru
    return jax_backend.open_session(*args, **more)
