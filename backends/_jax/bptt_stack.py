"""`jax`: the cells written out, with a hand-written backward pass.

Differentiated by JAX, a scan adds up dL/dU at every step. Here the loop backward leaves the
derivatives of the preactivations, and each weight gradient is one product over all steps
(Werbos 1990).
"""

from typing import Any

import numpy as np

from backends._jax.bptt_cells import STEPS
from backends._jax.bptt_direction import Direction, differentiable
from backends._jax.layers import (
    by_layer,
    by_name,
    feedforward,
    layer_names,
    run_layers,
    step_mask,
)
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
    workspace: Any = None,
) -> Any:
    """See `RunStack` and `workspace_of`."""
    buffers = workspace or {}

    def run_direction(name: str, x: Any, initial: Any, perturbation: Any, reverse: bool) -> Any:
        if not CELLS[spec.cell].recurrent:
            return feedforward(spec, weights[name], x, initial, lengths, perturbation, reverse)
        function = differentiable(steps_of(spec), spec.dtype, reverse)
        mask = step_mask(lengths, len(x))
        return function(weights[name], x, initial, mask, perturbation, buffers.get(name))

    return run_layers(spec, run_direction, x, initial_state, perturbation)


def steps_of(spec: ModelSpec) -> Any:
    """The `CellSteps` of the model."""
    return STEPS[spec.gru if spec.cell == "gru" else spec.cell]


def workspace_of(spec: ModelSpec, batch: int, time: int) -> dict[str, Any] | None:
    """The memory of each direction of each layer, by its name; None for a cell without a loop."""
    if not CELLS[spec.cell].recurrent:
        return None
    direction = Direction(steps_of(spec), spec.dtype, reverse=False)
    inputs = [spec.inputs] + [spec.hidden * spec.directions] * (spec.layers - 1)
    sizes = dict(zip(layer_names(spec), np.repeat(inputs, spec.directions), strict=True))
    return {
        name: direction.workspace(time, batch, int(size), spec.hidden, spec.storage)
        for name, size in sizes.items()
    }


STACK = Stack(by_layer, to_canonical, run, time_major=True, workspace=workspace_of)
