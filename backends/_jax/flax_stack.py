"""`flax`: `nnx.RNN` over Flax's own cells, split and merged inside `jax.jit`."""

from functools import cache
from typing import Any

import jax.numpy as jnp
from flax import nnx

from backends._jax.layers import by_layer, by_name, hold_beyond_end, run_layers
from backends._jax.stack import Stack
from bench.spec import ModelSpec, Params

# OptimizedLSTMCell computes what LSTMCell does, with one product for all gates where LSTMCell has
# four.
CELL_CLASSES = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell}
BIASED = {"rnn": "dense_i", "lstm": "dense_h"}
"""The layer of Flax's cell that has its one bias: `dense_i` reads the input, `dense_h` reads h."""


def to_native(spec: ModelSpec, params: Params) -> dict[str, Any]:
    """The state of an `nnx.RNN` for each direction of each layer, as a plain dictionary: `jit`
    takes it apart without Flax's own code."""
    return {name: _state(spec, weights) for name, weights in by_layer(spec, params).items()}


def _state(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    """Flax's kernels are `(inputs, gates × hidden)`."""
    cell: dict[str, Any] = {
        "dense_i": {"kernel": weights["w"].T},
        "dense_h": {"kernel": weights["u"].T},
    }
    cell[BIASED[spec.cell]]["bias"] = weights["b"]
    return {"cell": cell}


def to_canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    return by_name({name: _weights(spec, state["cell"]) for name, state in weights.items()})


def _weights(spec: ModelSpec, cell: Any) -> dict[str, Any]:
    return {
        "w": cell["dense_i"]["kernel"].T,
        "u": cell["dense_h"]["kernel"].T,
        "b": cell[BIASED[spec.cell]]["bias"],
    }


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
) -> Any:
    """See `RunStack`."""

    def run_direction(name: str, x: Any, initial: Any, perturbation: Any, reverse: bool) -> Any:
        rnn = nnx.merge(graph(spec, x.shape[2], reverse), weights[name])
        if perturbation is not None:
            rnn.cell = PerturbedCell(rnn.cell, x.shape[2])
            x = jnp.concatenate([x, perturbation], axis=2)
        initial = tuple(state.astype(spec.dtype) for state in initial)
        # Flax's carry of the lstm is (c, h).
        carry = initial[::-1] if spec.cell == "lstm" else initial[0]
        final, hidden = rnn(x, initial_carry=carry, seq_lengths=lengths)
        final = final[::-1] if spec.cell == "lstm" else (final,)
        # nnx.RNN returns the final state at the true end, but runs on beyond it.
        return final, hold_beyond_end(hidden, initial[0], lengths, reverse)

    return run_layers(spec, run_direction, x, initial_state, perturbation)


@cache
def graph(spec: ModelSpec, inputs: int, reverse: bool) -> Any:
    """The graph of one direction of one layer, made without its arrays."""
    dtypes = {"dtype": spec.dtype, "param_dtype": spec.storage}
    order = {"time_major": True, "reverse": reverse, "keep_order": True}

    def make() -> nnx.RNN:
        cell = CELL_CLASSES[spec.cell](inputs, spec.hidden, rngs=nnx.Rngs(0), **dtypes)
        return nnx.RNN(cell, return_carry=True, rngs=False, **order)

    return nnx.split(nnx.eval_shape(make))[0]


class PerturbedCell(nnx.Module):
    """A cell that adds to h the features of its input beyond the first `inputs`."""

    num_feature_axes = 1

    def __init__(self, cell: Any, inputs: int) -> None:
        self.cell, self.inputs = cell, inputs

    def __call__(self, carry: Any, x: Any) -> Any:
        carry, h = self.cell(carry, x[:, : self.inputs])
        h = h + x[:, self.inputs :].astype(h.dtype)
        return ((carry[0], h) if isinstance(carry, tuple) else h), h


STACK = Stack(to_native, to_canonical, run, time_major=True)
