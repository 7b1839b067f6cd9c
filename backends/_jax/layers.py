"""Helpers for stacks that call their library layer by layer, time first `(T, B, ·)`."""

from typing import Any, Protocol

import jax.numpy as jnp

from bench.spec import CELLS, Array, ModelSpec, Params

DIRECTIONS = ("forward", "backward")


class RunDirection(Protocol):
    """Run one direction of one layer."""

    def __call__(
        self, name: str, x: Any, initial_state: Any, perturbation: Any, reverse: bool, /
    ) -> tuple[Any, Any]:
        """Return the final states, a tuple of `(B, H)`, and h of every step `(T, B, H)`.

        `name` is `layers.{l}.{direction}`, x the layer's input `(T, B, D)`, `initial_state` a tuple
        of `(B, H)`, `perturbation` `(T, B, H)` or None; `reverse` runs from the last step.
        """


def run_layers(
    spec: ModelSpec, run_direction: RunDirection, x: Any, initial_state: Any, perturbation: Any
) -> Any:
    """Run all layers on x `(B, T, D)`: return the states of the last layer
    `(T, B, H × directions)`, and the final states as in `RunStack`."""
    final: list[tuple[Any, ...]] = []
    hidden = x.transpose(1, 0, 2)
    zero = jnp.zeros((spec.layers * spec.directions, x.shape[0], spec.hidden), x.dtype)
    initial_state = initial_state or (zero,) * len(CELLS[spec.cell].states)
    for layer in range(spec.layers):
        below, outputs = hidden, []
        for index, direction in enumerate(DIRECTIONS[: spec.directions]):
            start = tuple(state[len(final)] for state in initial_state)
            added = _perturbation_of(spec, perturbation, layer, index)
            name, reverse = f"layers.{layer}.{direction}", direction == "backward"
            end, output = run_direction(name, below, start, added, reverse)
            final.append(end)
            outputs.append(output)
        hidden = jnp.concatenate(outputs, axis=2) if spec.bidirectional else outputs[0]
    return hidden, tuple(jnp.stack(states) for states in zip(*final, strict=True))


def _perturbation_of(spec: ModelSpec, perturbation: Any, layer: int, direction: int) -> Any:
    """The columns of one direction of the last layer; None for the layers below it."""
    if perturbation is None or layer < spec.layers - 1:
        return None
    return perturbation[:, :, direction * spec.hidden : (direction + 1) * spec.hidden]


def layer_names(spec: ModelSpec) -> list[str]:
    """The names under which each direction of each layer keeps its weights."""
    directions = DIRECTIONS[: spec.directions]
    return [f"layers.{layer}.{name}" for layer in range(spec.layers) for name in directions]


def by_layer(spec: ModelSpec, params: Params) -> dict[str, dict[str, Array]]:
    """Canonical weights `w`, `u`, `b` … of each direction of each layer."""
    return {
        name: {k.rpartition(".")[2]: v for k, v in params.items() if k.startswith(f"{name}.")}
        for name in layer_names(spec)
    }


def by_name(layers: Any) -> dict[str, Any]:
    """`by_layer` undone."""
    return {f"{layer}.{name}": v for layer, params in layers.items() for name, v in params.items()}


def input_products(x: Any, weights: Any, dtype: str) -> Any:
    """W x for all steps `(T, B, G·H)` in one product; for `bfloat16` it is summed in float32."""
    x, w = x.astype(dtype), weights["w"].astype(dtype)
    return jnp.matmul(x, w.T, preferred_element_type=weights["b"].dtype)


def feedforward(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    initial: Any,
    lengths: Any,
    perturbation: Any,
    reverse: bool,
) -> Any:
    """h' = tanh(W x + b) for all steps at once: the final state, and h of every step."""
    hidden = jnp.tanh(input_products(x, weights, spec.dtype) + weights["b"])
    hidden = hidden if perturbation is None else hidden + perturbation
    hidden = hold_beyond_end(hidden, initial[0], lengths, reverse)
    return (hidden[0 if reverse else -1],), hidden


def step_mask(lengths: Any, time: int) -> Any:
    """True where a step is real `(T, B, 1)`; None where all are."""
    return None if lengths is None else (jnp.arange(time)[:, None] < lengths)[:, :, None]


def hold_beyond_end(hidden: Any, initial: Any, lengths: Any, reverse: bool) -> Any:
    """Fill one direction's states `(T, B, H)` beyond the end of each sequence: with its last state
    in the forward direction, with its initial state `(B, H)` in the backward direction."""
    if lengths is None:
        return hidden
    fill = initial if reverse else hidden[lengths - 1, jnp.arange(hidden.shape[1])]
    return jnp.where(step_mask(lengths, hidden.shape[0]), hidden, fill)


def add_perturbation(state: Any, perturbation: Any) -> Any:
    """The state after a step with the perturbation added to h."""
    return state if perturbation is None else (state[0] + perturbation, *state[1:])


def hold_state(after: Any, before: Any, mask: Any) -> Any:
    """The state after a step; beyond the end of a sequence, the state before the step."""
    if mask is None:
        return after
    return tuple(jnp.where(mask, a, b) for a, b in zip(after, before, strict=True))
