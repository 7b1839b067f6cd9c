"""From the input to the outputs: the layers, the readout and the decoder.

`weights` is the dictionary that the optimiser sees: `layers` and `decoder`, each a stack's own
pytree, `readout.w` and `readout.b`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends._jax.stack import Stack
from bench.spec import Array, ModelSpec, Params

READOUT = ("readout.w", "readout.b")


def to_native(stack: Stack, spec: ModelSpec, params: Params) -> dict[str, Any]:
    """Canonical weights as the optimiser sees them."""
    readout = {name: params[name] for name in READOUT}
    layers = {"layers": stack.to_native(spec, _layers_of(params, ""))}
    if spec.decoder:
        layers["decoder"] = stack.to_native(spec.decoding, _layers_of(params, "decoder."))
    return {**layers, **readout}


def to_canonical(stack: Stack, spec: ModelSpec, weights: Any) -> dict[str, Any]:
    """`to_native` undone, for weights and for their gradients."""
    params = dict(stack.to_canonical(spec, weights["layers"]))
    if spec.decoder:
        decoder = stack.to_canonical(spec.decoding, weights["decoder"])
        params |= {f"decoder.{name}": value for name, value in decoder.items()}
    return params | {name: weights[name] for name in READOUT}


def _layers_of(params: Params, prefix: str) -> dict[str, Array]:
    """The recurrent weights of the encoder or the decoder, by name without the prefix."""
    start = f"{prefix}layers."
    return {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(start)}


def run_stack(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
    workspace: Any = None,
) -> Any:
    """Run `weights["layers"]`; see `RunStack` and `Stack.workspace`. A lone array is taken as the
    initial h."""
    if initial_state is not None and not isinstance(initial_state, tuple):
        initial_state = (initial_state,)
    if lengths is not None:  # whatever stands in padding: NaN times zero would be NaN
        x = jnp.where(jnp.arange(x.shape[1])[:, None] < lengths[:, None, None], x, 0)
    run: Any = stack.run
    kept = {} if workspace is None else {"workspace": workspace}
    hidden, final = run(spec, weights["layers"], x, lengths, initial_state, perturbation, **kept)
    return hidden, tuple(state.astype(spec.storage) for state in final)


def readout(stack: Stack, spec: ModelSpec, weights: Any, hidden: Any, final: Any) -> Any:
    """The readout of each direction's final h in the last layer `(batch, outputs)`, or of the h of
    every step `(batch, time, outputs)`."""
    if spec.readout == "last":
        hidden = jnp.concatenate(list(final[0][-spec.directions :]), axis=1)
    w = weights["readout.w"].astype(spec.dtype)
    outputs = (hidden.astype(spec.dtype) @ w.T).astype(spec.storage) + weights["readout.b"]
    return outputs.transpose(1, 0, 2) if stack.time_major and outputs.ndim == 3 else outputs


def run_decoder(stack: Stack, spec: ModelSpec, weights: Any, state: Any, y: Any) -> Any:
    """Run the decoder from the encoder's final state on the targets (teacher forcing)."""
    decoder = {**weights, "layers": weights["decoder"]}
    x = _teacher_forcing(spec, y)
    return run_stack(stack, spec.decoding, decoder, x, initial_state=state)


def generate(stack: Stack, spec: ModelSpec, weights: Any, state: Any) -> Any:
    """The outputs `(batch, decoder, outputs)` of a decoder that reads its own previous output,
    from the encoder's final state."""
    decoder, decoding = {**weights, "layers": weights["decoder"]}, spec.decoding

    def step(carry: Any, _: Any) -> Any:
        state, x = carry
        hidden, state = run_stack(stack, decoding, decoder, x[:, None], initial_state=state)
        outputs = readout(stack, decoding, weights, hidden, state)[:, 0]
        classes = spec.loss == "cross_entropy"
        previous = _one_hot(spec, outputs.argmax(1)) if classes else outputs
        return (state, jnp.pad(previous, ((0, 0), (0, 1)))), outputs

    begin = jnp.zeros((state[0].shape[1], spec.outputs + 1), spec.storage).at[:, -1].set(1)
    return lax.scan(step, (state, begin), length=spec.decoder)[1].transpose(1, 0, 2)


def _teacher_forcing(spec: ModelSpec, y: Any) -> Any:
    """A decoder's input in training `(batch, decoder, outputs + 1)`: the previous target, and the
    begin token's feature."""
    targets = _one_hot(spec, y) if spec.loss == "cross_entropy" else jnp.where(jnp.isnan(y), 0, y)
    previous = jnp.pad(targets[:, :-1], ((0, 0), (1, 0), (0, 0)))
    begin = jnp.zeros((*previous.shape[:2], 1), previous.dtype).at[:, 0].set(1)
    return jnp.concatenate([previous, begin], axis=2)


def _one_hot(spec: ModelSpec, classes: Any) -> Any:
    """Classes one-hot; −1 becomes zeros."""
    return jax.nn.one_hot(classes, spec.outputs, dtype=spec.storage)
