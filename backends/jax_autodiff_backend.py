"""JAX as most programs use it: the cells in `lax.scan`, differentiated automatically."""

from backends import _jax
from bench.spec import DTYPES, ModelSpec, Params, Session, Supports, Training

REQUIRES = _jax.REQUIRES
SUPPORTS = Supports(dtypes=DTYPES, decoder=True, generation=True)

environment, devices, unavailable = _jax.environment, _jax.devices, _jax.unavailable
compilation_cache = _jax.compilation_cache
settings, peak_memory, expected_path = _jax.settings, _jax.peak_memory, _jax.expected_path
matrix_products = _jax.matrix_products


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    _jax.check(SUPPORTS, spec, unavailable(device))
    from backends._jax.autodiff_stack import STACK
    from backends._jax.session import JaxSession

    return JaxSession(STACK, spec, params, device, training)
