"""Equinox: `eqx.nn.LSTMCell` and `eqx.nn.GRUCell` in a scan over one sequence, vmapped over the
batch, as its documentation has it."""

from typing import Any

from backends import _jax
from bench.spec import Limit, ModelSpec, Params, Supports, Training

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

devices, settings = _jax.devices, _jax.settings
peak_memory, expected_path = _jax.peak_memory, _jax.expected_path

NAMES = {"w": "weight_ih", "u": "weight_hh", "b": "bias", "b_hn": "bias_n"}


def unavailable(device: str) -> str | None:
    return _jax.unavailable(device, REQUIRES)


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> _jax.JaxSession:
    _jax.check(SUPPORTS, spec, unavailable(device))
    return _jax.JaxSession(STACK, spec, params, device, training)


def native(spec: ModelSpec, params: Params) -> dict[str, Any]:
    """A module for each layer and direction, which is a pytree of its weights."""
    return {name: module(spec, own) for name, own in _jax.by_layer(spec, params).items()}


def module(spec: ModelSpec, own: Any) -> Any:
    import equinox as eqx
    import jax

    kind = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[spec.cell]
    sizes = (own["w"].shape[1], spec.hidden)
    cell = eqx.filter_eval_shape(kind, *sizes, key=jax.random.key(0))
    return eqx.tree_at(
        lambda c: [getattr(c, NAMES[name]) for name in own], cell, list(own.values())
    )


def canonical(spec: ModelSpec, weights: Any) -> dict[str, Any]:
    names = {kind: own for kind, own in NAMES.items() if spec.cell == "gru" or kind != "b_hn"}
    return {
        f"{layer}.{kind}": getattr(cell, own)
        for layer, cell in weights.items()
        for kind, own in names.items()
    }


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> Any:
    """See `_jax.Stack`. The state of an lstm is (h, c), that of a gru h."""
    from jax import vmap

    def layer(name: str, below: Any, start: Any, delta: Any, reverse: bool) -> Any:
        def one(*sequence: Any) -> Any:
            return scanned(weights[name], reverse, *sequence)

        over = (1, 0, None if delta is None else 1, None if lengths is None else 1)
        inputs = (below, start, delta, _jax.kept(lengths, len(below)))
        return vmap(one, in_axes=over, out_axes=(0, 1))(*inputs)

    return _jax.stacked(spec, layer, x, initial, delta)


def scanned(cell: Any, reverse: bool, below: Any, start: Any, delta: Any, keep: Any) -> Any:
    """One direction of one layer over one sequence `(T, D)`."""
    import jax.numpy as jnp
    from jax import lax

    def step(state: Any, inputs: Any) -> Any:
        at, nudge, kept = inputs
        new = cell(at, state if len(state) == 2 else state[0])
        new = new if len(state) == 2 else (new,)
        if nudge is not None:
            new = (new[0] + nudge, *new[1:])
        if kept is not None:
            new = tuple(jnp.where(kept, n, s) for n, s in zip(new, state, strict=True))
        return new, new[0]

    return lax.scan(step, start, (below, delta, keep), reverse=reverse)


STACK = _jax.Stack(native, canonical, run, time_major=True)
