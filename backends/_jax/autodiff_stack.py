"""`jax-autodiff`: the cells written out, `lax.scan` over time, differentiated by JAX."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.nn import sigmoid

from backends._jax.layers import (
    add_perturbation,
    by_layer,
    by_name,
    feedforward,
    hold_state,
    input_products,
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
) -> Any:
    """See `RunStack`."""

    run_layer = scan if CELLS[spec.cell].recurrent else feedforward

    def run_direction(name: str, x: Any, initial: Any, perturbation: Any, reverse: bool) -> Any:
        return run_layer(spec, weights[name], x, initial, lengths, perturbation, reverse)

    return run_layers(spec, run_direction, x, initial_state, perturbation)


def scan(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    initial: Any,
    lengths: Any,
    perturbation: Any,
    reverse: bool,
) -> Any:
    """One direction of one layer: W x + b for all steps in one product, then the scan."""
    cell = STEPS[spec.gru if spec.cell == "gru" else spec.cell]
    recurrent = {name: weights[name] for name in ("u", "b_hn") if name in weights}

    def step(state: Any, inputs: Any) -> Any:
        a, perturbation, mask = inputs
        rounded = {name: value.astype(spec.dtype) for name, value in recurrent.items()}
        after = add_perturbation(cell(a, *state, **rounded), perturbation)
        after = hold_state(tuple(array.astype(spec.dtype) for array in after), state, mask)
        return after, after[0]

    a = input_products(x, weights, spec.dtype) + weights["b"]
    inputs = (a, perturbation, step_mask(lengths, len(x)))
    initial = tuple(state.astype(spec.dtype) for state in initial)
    return lax.scan(step, initial, inputs, reverse=reverse)


# Each function takes a = W x + b `(B, G·H)` and the state `(B, H)`, and returns the state after it.


def rnn(a: Any, h: Any, *, u: Any) -> tuple[Any, ...]:
    """h' = tanh(a + U h) (Elman 1990)."""
    return (jnp.tanh(a + h @ u.T),)


def lstm(a: Any, h: Any, c: Any, *, u: Any) -> tuple[Any, ...]:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Gers, Schmidhuber & Cummins 2000)."""
    # Most programs cut the gates with jnp.split; slices would cost more here, since their
    # derivatives are padded with zeros and added. jax 0.10.2 is reported to compile wrong gradients
    # of jnp.split on the CPU of some machines: that version is excluded, and the parity gate
    # checks the others.
    i, f, g, o = jnp.split(a + h @ u.T, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    return sigmoid(o) * jnp.tanh(c), c


def gru(a: Any, h: Any, *, u: Any, b_hn: Any) -> tuple[Any, ...]:
    """n = tanh(a_n + r∘(U_n h + b_hn)), h' = (1 − z)∘n + z∘h (reset_after)."""
    a_r, a_z, a_n = jnp.split(a, 3, axis=1)
    uh_r, uh_z, uh_n = jnp.split(h @ u.T, 3, axis=1)
    r, z = sigmoid(a_r + uh_r), sigmoid(a_z + uh_z)
    return ((1 - z) * jnp.tanh(a_n + r * (uh_n + b_hn)) + z * h,)


def gru_reset_before(a: Any, h: Any, *, u: Any) -> tuple[Any, ...]:
    """n = tanh(a_n + U_n (r∘h)), h' = (1 − z)∘n + z∘h (Cho et al. 2014)."""
    ends = [2 * h.shape[1]]
    (a_rz, a_n), (u_rz, u_n) = jnp.split(a, ends, axis=1), jnp.split(u, ends)
    r, z = jnp.split(sigmoid(a_rz + h @ u_rz.T), 2, axis=1)
    n = jnp.tanh(a_n + (r * h) @ u_n.T)
    return ((1 - z) * n + z * h,)


STEPS: Mapping[str, Callable[..., tuple[Any, ...]]] = {
    "rnn": rnn,
    "lstm": lstm,
    "reset_after": gru,
    "reset_before": gru_reset_before,
}
STACK = Stack(by_layer, to_canonical, run, time_major=True)
