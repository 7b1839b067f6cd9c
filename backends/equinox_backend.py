"""Equinox: `eqx.nn.LSTMCell` and `eqx.nn.GRUCell` in a scan, mapped over the batch."""

from backends import _jax
from bench.spec import Limit, ModelSpec, Params, Session, Supports, Training

REQUIRES = (*_jax.REQUIRES, "equinox")
SUPPORTS = Supports(
    cells=("lstm", "gru"),
    gru=("reset_after",),
    decoder=True,
    generation=True,
    limits={
        "rnn": Limit("theirs", "eqx.nn has no cell of this kind"),
        "feedforward": Limit("theirs", "eqx.nn has no cell without recurrence"),
        "reset_before": Limit("theirs", "eqx.nn.GRUCell resets after the product with the state"),
        "bfloat16": Limit("ours", "cells compute in the dtype of their weights, which is float32"),
    },
)

environment, devices, settings = _jax.environment, _jax.devices, _jax.settings
compilation_cache = _jax.compilation_cache
peak_memory, expected_path = _jax.peak_memory, _jax.expected_path
matrix_products = _jax.matrix_products


def unavailable(device: str) -> str | None:
    return _jax.unavailable(device, REQUIRES)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    _jax.check(SUPPORTS, spec, unavailable(device))
    from backends._jax.equinox_stack import STACK
    from backends._jax.session import JaxSession

    return JaxSession(STACK, spec, params, device, training)
