"""Flax: `nnx.RNN` over Flax's own cells."""

from backends import _jax
from bench.spec import DTYPES, Limit, ModelSpec, Params, Session, Supports, Training

REQUIRES = (*_jax.REQUIRES, "flax")
SUPPORTS = Supports(
    cells=("rnn", "lstm"),
    dtypes=DTYPES,
    gru=(),
    decoder=True,
    generation=True,
    limits={
        "gru": Limit(
            "theirs", "nnx.GRUCell has no bias on the state's side of its candidate (b_hn)"
        ),
        "reset_after": Limit("theirs", "nnx.GRUCell has no b_hn"),
        "reset_before": Limit("theirs", "nnx.GRUCell resets after the product with the state"),
        "feedforward": Limit("theirs", "no cell without recurrence"),
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
    from backends._jax.flax_stack import STACK
    from backends._jax.session import JaxSession

    return JaxSession(STACK, spec, params, device, training)
