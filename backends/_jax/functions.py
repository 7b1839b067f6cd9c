"""The functions that a session compiles, each with the stack and the model as first arguments."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from backends._jax.losses import LOSSES
from backends._jax.network import generate, readout, run_decoder, run_stack
from backends._jax.optimiser import optimiser
from backends._jax.stack import Stack
from bench.spec import ModelSpec, Training


def predict(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
) -> Any:
    hidden, final = run_stack(stack, spec, weights, x, lengths, initial_state)
    if spec.decoder:
        return generate(stack, spec, weights, final)
    return readout(stack, spec, weights, hidden, final)


def hidden_states(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
) -> Any:
    """The last layer's h at every step `(batch, time, hidden × directions)`."""
    hidden, _ = run_stack(stack, spec, weights, x, lengths, initial_state)
    hidden = hidden.astype(spec.storage)
    return hidden.transpose(1, 0, 2) if stack.time_major else hidden


def advance(stack: Stack, spec: ModelSpec, weights: Any, x: Any, state: Any = None) -> Any:
    """The readout, and the state after x."""
    hidden, final = run_stack(stack, spec, weights, x, None, state)
    return readout(stack, spec, weights, hidden, final), final


def gradients(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    y: Any,
    lengths: Any = None,
    workspace: Any = None,
) -> Any:
    """The loss and its gradients with respect to the weights, as a pair, and the workspace with its
    new content."""

    def value_of(weights: Any, workspace: Any) -> Any:
        return loss(stack, spec, weights, x, y, lengths, workspace=workspace)

    value, (grads, workspace) = jax.value_and_grad(value_of, (0, 1))(weights, workspace)
    return (value, grads), workspace


def all_gradients(
    stack: Stack, spec: ModelSpec, weights: Any, x: Any, y: Any, lengths: Any = None
) -> Any:
    """The loss, and its gradients with respect to the weights and to x."""
    return jax.value_and_grad(lambda w, v: loss(stack, spec, w, v, y, lengths), (0, 1))(weights, x)


def hidden_gradients(stack: Stack, spec: ModelSpec, weights: Any, x: Any, y: Any) -> Any:
    """dL/dh_t of the last layer `(batch, time, hidden × directions)`: the gradient with respect to
    a zero that is added to every h_t."""
    batch, time, _ = x.shape
    order = (time, batch) if stack.time_major else (batch, time)
    zero = jnp.zeros((*order, spec.hidden * spec.directions), spec.storage)
    d_hidden = jax.grad(lambda zero: loss(stack, spec, weights, x, y, perturbation=zero))(zero)
    return d_hidden.transpose(1, 0, 2) if stack.time_major else d_hidden


def update(
    stack: Stack,
    spec: ModelSpec,
    training: Training,
    weights: Any,
    state: Any,
    x: Any,
    y: Any,
    lengths: Any = None,
    workspace: Any = None,
) -> Any:
    """One step of the optimiser: the new weights, its new state, the loss before the step, and the
    workspace with its new content."""
    (value, grads), workspace = gradients(stack, spec, weights, x, y, lengths, workspace)
    updates, state = optimiser(training).update(grads, state, weights)
    return optax.apply_updates(weights, updates), state, value, workspace


def loss(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    y: Any,
    lengths: Any = None,
    perturbation: Any = None,
    workspace: Any = None,
) -> Any:
    arguments = {"perturbation": perturbation, "workspace": workspace}
    hidden, final = run_stack(stack, spec, weights, x, lengths, **arguments)
    if spec.decoder:
        hidden, final = run_decoder(stack, spec, weights, final, y)
    return LOSSES[spec.loss](readout(stack, spec, weights, hidden, final), y)
