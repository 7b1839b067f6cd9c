"""`jax`: the cells written out, with a hand-written backward pass.

Differentiated by JAX, a scan adds up dL/dU at every step. Here the loop backward leaves the
derivatives of the preactivations, and each weight gradient is one product over all steps
(Werbos 1990).
"""

from typing import Any

from backends._jax.bptt_cells import STEPS
from backends._jax.bptt_direction import differentiable
from backends._jax.layers import by_layer, by_name, feedforward, run_layers, step_mask
from backends._jax.stack import Stack
from bench.spec import CELLS, ModelSpec


def to_canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    return by_name(weights)


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
        if not CELLS[spec.cell].recurrent:
            return feedforward(spec, weights[name], x, initial, lengths, perturbation, reverse)
        cell: Any = STEPS[spec.gru if spec.cell == "gru" else spec.cell]
        function = differentiable(cell, spec.dtype, reverse)
        return function(weights[name], x, initial, step_mask(lengths, len(x)), perturbation)

    return run_layers(spec, run_direction, x, initial_state, perturbation)


STACK = Stack(by_layer, to_canonical, run, time_major=True)
