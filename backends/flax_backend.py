"""Flax: `nnx.RNN` over Flax's own cells, split and merged inside `jax.jit`.

A layer and direction is one `nnx.RNN`; its state is held as a plain dictionary, which `jit` takes
apart without Flax' own code. The lstm is `OptimizedLSTMCell`: the same mathematics as `LSTMCell`,
with one product for all gates where that has four.
"""

from functools import cache
from typing import Any

from backends import _jax
from bench.spec import DTYPES, Limit, ModelSpec, Params, Supports, Training

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

devices, settings = _jax.devices, _jax.settings
peak_memory, expected_path = _jax.peak_memory, _jax.expected_path


def unavailable(device: str) -> str | None:
    return _jax.unavailable(device, REQUIRES)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _jax.JaxSession:
    _jax.check(SUPPORTS, spec, unavailable(device))
    return _jax.JaxSession(STACK, spec, params, device, training)


def native(spec: ModelSpec, params: Params) -> dict[str, Any]:
    """Flax's kernels are `(inputs, gates × hidden)`; `dense_i` reads the input, `dense_h` h."""
    return {name: layer(spec, own) for name, own in _jax.by_layer(spec, params).items()}


def layer(spec: ModelSpec, own: Any) -> dict[str, Any]:
    cell: dict[str, Any] = {"dense_i": {"kernel": own["w"].T}, "dense_h": {"kernel": own["u"].T}}
    cell[BIAS[spec.cell]]["bias"] = own["b"]
    return {"cell": cell}


def canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    return _jax.by_name(
        {
            name: {
                "w": state["cell"]["dense_i"]["kernel"].T,
                "u": state["cell"]["dense_h"]["kernel"].T,
                "b": state["cell"][BIAS[spec.cell]]["bias"],
            }
            for name, state in weights.items()
        }
    )


BIAS = {"rnn": "dense_i", "lstm": "dense_h"}
"""Where a cell of Flax has its one bias."""


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> Any:
    """See `_jax.Stack`. Flax's carry of the lstm is (c, h)."""
    from flax import nnx

    def one(name: str, below: Any, start: Any, delta: Any, reverse: bool) -> Any:
        rnn = nnx.merge(definition(spec, below.shape[2], reverse), weights[name])
        if delta is not None:
            rnn.cell, below = nudged(rnn.cell, below, delta)
        start = tuple(part.astype(spec.dtype) for part in start)
        carry = start[::-1] if spec.cell == "lstm" else start[0]
        end, above = rnn(below, initial_carry=carry, seq_lengths=lengths)
        end = end[::-1] if spec.cell == "lstm" else (end,)
        return end, _jax.held(above, start[0], lengths, reverse)

    return _jax.stacked(spec, one, x, initial, delta)


@cache
def definition(spec: ModelSpec, inputs: int, reverse: bool) -> Any:
    """The graph of a layer, made without its arrays."""
    from flax import nnx

    cell = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell}[spec.cell]
    dtypes = {"dtype": spec.dtype, "param_dtype": spec.storage}

    def empty() -> Any:
        own = cell(inputs, spec.hidden, rngs=nnx.Rngs(0), **dtypes)
        order = {"time_major": True, "reverse": reverse, "keep_order": True}
        return nnx.RNN(own, return_carry=True, rngs=False, **order)

    return nnx.split(nnx.eval_shape(empty))[0]


def nudged(cell: Any, below: Any, delta: Any) -> Any:
    """A cell that adds to h what its input carries in its last features, and that input."""
    import jax.numpy as jnp
    from flax import nnx

    inputs = below.shape[2]

    class Nudged(nnx.Module):
        num_feature_axes = 1

        def __init__(self) -> None:
            self.inner = cell

        def __call__(self, carry: Any, x: Any) -> Any:
            carry, h = self.inner(carry, x[:, :inputs])
            h = h + x[:, inputs:].astype(h.dtype)
            return ((carry[0], h) if isinstance(carry, tuple) else h), h

    return Nudged(), jnp.concatenate([below, delta], axis=2)


STACK = _jax.Stack(native, canonical, run, time_major=True)
