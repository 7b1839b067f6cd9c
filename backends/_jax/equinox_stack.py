"""`equinox`: `eqx.nn.LSTMCell` and `eqx.nn.GRUCell` in a scan over one sequence, mapped over the
batch, as Equinox's documentation does it."""

from typing import Any

import equinox as eqx
import jax
from jax import lax

from backends._jax.layers import add_perturbation, by_layer, hold_state, run_layers, step_mask
from backends._jax.stack import Stack
from bench.spec import ModelSpec, Params

CELL_CLASSES = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}
NAMES = {"w": "weight_ih", "u": "weight_hh", "b": "bias", "b_hn": "bias_n"}


def to_native(spec: ModelSpec, params: Params) -> dict[str, Any]:
    """A module for each direction of each layer; a module is a pytree of its weights."""
    return {name: _module(spec, weights) for name, weights in by_layer(spec, params).items()}


def _module(spec: ModelSpec, weights: Any) -> Any:
    """A cell with these weights, made without drawing others first."""
    sizes = (weights["w"].shape[1], spec.hidden)
    cell = eqx.filter_eval_shape(CELL_CLASSES[spec.cell], *sizes, key=jax.random.key(0))
    return eqx.tree_at(
        lambda cell: [getattr(cell, NAMES[name]) for name in weights], cell, list(weights.values())
    )


def to_canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    names = [name for name in NAMES if spec.cell == "gru" or name != "b_hn"]
    return {
        f"{layer}.{name}": getattr(cell, NAMES[name])
        for layer, cell in weights.items()
        for name in names
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
        def run_sequence(*arrays: Any) -> Any:
            return scan(weights[name], reverse, *arrays)

        arrays = (x, initial, perturbation, step_mask(lengths, len(x)))
        batch_axes = (1, 0, None if perturbation is None else 1, None if lengths is None else 1)
        return jax.vmap(run_sequence, in_axes=batch_axes, out_axes=(0, 1))(*arrays)

    return run_layers(spec, run_direction, x, initial_state, perturbation)


def scan(cell: Any, reverse: bool, x: Any, initial: Any, perturbation: Any, mask: Any) -> Any:
    """One direction of one layer over one sequence `(T, D)`."""

    def step(state: Any, inputs: Any) -> Any:
        x, perturbation, mask = inputs
        # The state of Equinox's lstm is (h, c), that of its gru h alone.
        after = cell(x, state) if len(state) == 2 else (cell(x, state[0]),)
        after = hold_state(add_perturbation(after, perturbation), state, mask)
        return after, after[0]

    return lax.scan(step, initial, (x, perturbation, mask), reverse=reverse)


STACK = Stack(to_native, to_canonical, run, time_major=True)
