"""Keras on JAX: Keras' own recurrent layers inside the compiled functions of the JAX backends,
whose readout, losses and optimiser (Optax) they share. On a GPU the lstm runs by cuDNN, as Keras
chooses by default."""

from backends import _jax
from backends._keras.engine import SUPPORTS_ON_JAX_AND_TORCH, compute_with
from backends._keras.options import jax_takes_cudnn
from bench.spec import ModelSpec, Params, Session, Training

REQUIRES = (*_jax.REQUIRES, "keras")
SUPPORTS = SUPPORTS_ON_JAX_AND_TORCH

environment = _jax.environment
compilation_cache = _jax.compilation_cache
devices, peak_memory, settings = _jax.devices, _jax.peak_memory, _jax.settings
matrix_products = _jax.matrix_products


def expected_path(spec: ModelSpec, device: str) -> str:
    return "cudnn" if jax_takes_cudnn(spec, device) else _jax.expected_path(spec, device)


def unavailable(device: str) -> str | None:
    return _jax.unavailable(device, REQUIRES)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    _jax.check(SUPPORTS, spec, unavailable(device))
    compute_with("jax")
    from backends._jax.session import JaxSession
    from backends._keras import on_jax

    stack = on_jax.CUDNN_STACK if jax_takes_cudnn(spec, device) else on_jax.STACK
    return JaxSession(stack, spec, params, device, training)
