"""Keras on JAX: Keras' own recurrent layers inside the compiled functions of the JAX backends,
whose readout, losses and optimiser (Optax) they share."""

from backends import _jax
from backends._keras.engine import SUPPORTS_ON_JAX_AND_TORCH, compute_with
from bench.spec import ModelSpec, Params, Session, Training

REQUIRES = (*_jax.REQUIRES, "keras")
SUPPORTS = SUPPORTS_ON_JAX_AND_TORCH

environment = _jax.environment
compilation_cache = _jax.compilation_cache
devices, peak_memory, settings = _jax.devices, _jax.peak_memory, _jax.settings
expected_path = _jax.expected_path


def unavailable(device: str) -> str | None:
    return _jax.unavailable(device, REQUIRES)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    _jax.check(SUPPORTS, spec, unavailable(device))
    compute_with("jax")
    from backends._jax.session import JaxSession
    from backends._jax.stack import Stack
    from backends._keras import on_jax

    return JaxSession(
        Stack(on_jax.native, on_jax.canonical, on_jax.run), spec, params, device, training
    )
