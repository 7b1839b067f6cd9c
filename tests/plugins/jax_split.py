"""The automatically differentiated JAX adapter with the GRU's gates cut by `jnp.split`, as much
published code has it.

jax 0.10.2 is reported to compile wrong input-side gradients for it on some processors, at small
odd sizes, in float64 and under jit. Whether it does on yours, the parity gate says:
`python run_bench.py --backends tests/plugins/jax_split.py --cells gru --dtypes float64
--probes parity --profile smoke`.
"""

from typing import Any

from backends import _jax, jax_autodiff_backend
from bench.spec import ModelSpec, Params, Training

REQUIRES, SUPPORTS = jax_autodiff_backend.REQUIRES, jax_autodiff_backend.SUPPORTS
devices, unavailable = jax_autodiff_backend.devices, jax_autodiff_backend.unavailable


def gru(a: Any, h: Any, *, u: Any, b_hn: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    a_r, a_z, a_n = jnp.split(a, 3, axis=1)
    v_r, v_z, v_n = jnp.split(h @ u.T, 3, axis=1)
    r, z = sigmoid(a_r + v_r), sigmoid(a_z + v_z)
    n = jnp.tanh(a_n + r * (v_n + b_hn))
    return ((1 - z) * n + z * h,)


STACK = jax_autodiff_backend.with_cells({"reset_after": gru})


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _jax.JaxSession:
    _jax.check(SUPPORTS, spec, unavailable(device))
    return _jax.JaxSession(STACK, spec, params, device, training)
