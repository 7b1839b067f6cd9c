"""What the JAX backends share: the session, and what is compiled around a stack of layers.

A backend is one `Stack`: how a library holds the weights of its recurrent layers and how it runs
them. Readout, losses, decoder, optimiser (Optax, on the library's own pytree) and all that is
compiled are here. Nothing but tracing happens in Python: a call of a session is one call of a
function that `jax.jit` compiled for these shapes.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("jax", "jaxlib", "optax")


@dataclass(frozen=True)
class Stack:
    """One library's recurrent layers: plain functions of the model and of arrays.

    - `native(spec, params)`: the library's own pytree of weights, made from those of the layers
      by canonical name (`layers.…`; a decoder's come without their prefix);
    - `canonical(spec, native)`: back again, for weights as for their gradients;
    - `run(spec, native, x, lengths, initial, delta)` for x `(batch, time, inputs)`, lengths
      `(batch,)` or None, initial a tuple of states `(layers × directions, batch, hidden)` (h, for
      the lstm h and c) or None, delta of the shape of the states or None, added to the last
      layer's h as they are made. Returns the last layer's states for every step, batch first
      (time first with `time_major`), held beyond the end, and the final states laid out as
      `initial`.

    All three are traced; a dtype of `bfloat16` is for `run` to act on, weights and x being in
    `spec.storage`.
    """

    native: Callable[[ModelSpec, Params], Any]
    canonical: Callable[[ModelSpec, Any], Params]
    run: Callable[..., tuple[Any, tuple[Any, ...]]]
    time_major: bool = False


# ---- the device ----------------------------------------------------------------------------


def devices() -> tuple[str, ...]:
    import jax

    try:
        cuda = len(jax.devices("cuda"))
    except RuntimeError:
        cuda = 0
    return ("cpu", *(f"cuda:{index}" for index in range(cuda)))


def unavailable(device: str, requires: Sequence[str] = REQUIRES) -> str | None:
    if missing := [name for name in requires if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if not device.startswith("cuda"):
        return None if device == "cpu" else f"JAX has no device {device!r} here"
    # Parsing the metadata of every distribution to read its name takes 0.1 s; the folders have it.
    if not any(any(Path(folder).glob("jax_cuda*plugin*.dist-info")) for folder in sys.path):
        return "JAX has no CUDA plug-in installed (jax-cuda13-plugin or jax-cuda12-plugin)"
    return None


def settings(device: str) -> dict[str, Any]:
    """JAX's switches that change what is computed or how fast, as they stand."""
    import jax

    return {
        "matmul_precision": "highest",
        "platform_version": find(device).client.platform_version,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "preallocate": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true"),
        "x64": bool(jax.config.jax_enable_x64),
        "disable_jit": bool(jax.config.jax_disable_jit),
    }


def peak_memory(device: str) -> int | None:
    stats = find(device).memory_stats()
    return stats["peak_bytes_in_use"] if stats else None


def expected_path(spec: ModelSpec, device: str) -> str:
    return "xla"


def check(supports: Supports, spec: ModelSpec, reason: str | None) -> None:
    """Refuse what the backend cannot express, or the reason why the device is not there."""
    supports.check(spec)
    if reason:
        raise Unsupported(reason)


def find(name: str) -> Any:
    import jax

    kind, _, index = name.partition(":")
    return jax.devices(kind)[int(index or 0)]


# ---- the session ---------------------------------------------------------------------------


class JaxSession:
    """See `bench.spec.Session`."""

    def __init__(
        self, stack: Stack, spec: ModelSpec, params: Params, device: str, training: Training
    ) -> None:
        import jax

        self.jax, self.stack, self.spec = jax, stack, spec
        self.device, self.dtype = find(device), np.dtype(spec.storage)
        self._compiled: dict[Any, Any] = {}
        self._update = compiled(update, stack, spec, training, donate=(0, 1))
        with self._context():
            weights = native(stack, spec, {k: np.asarray(v, self.dtype) for k, v in params.items()})
            self.weights = jax.device_put(weights, self.device)
            self.state = jax.device_put(optimiser(training).init(self.weights), self.device)
        self.pending: Any = self.weights
        self._shape, self._eager = (1, 2, spec.inputs), False

    def put(self, array: Any) -> Any:
        with self._context():
            return self.jax.device_put(self._typed(array), self.device)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.array(self._call(predict, x, lengths, initial_state))

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self._call(predict, x, lengths)

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.array(self._call(states, x, lengths, initial_state))

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, (grads, dx) = self._call(all_gradients, x, y, lengths)
        return float(loss), {**self._canonical(grads), "x": np.array(dx)}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        return self._call(gradients, x, y, lengths)

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        """The gradient with respect to a zero added to every h_t of the last layer."""
        return np.array(self._call(hidden_gradients, x, y))

    def step(self, x: Any, y: Any, lengths: Any = None) -> Any:
        x, y, lengths = self._given(x), self._given(y), self._given(lengths)
        with self._context():
            self.weights, self.state, self.pending = self._update(
                self.weights, self.state, x, y, lengths
            )
        self._seen(x)
        return self.pending

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self.spec.bidirectional or self.spec.decoder:
            raise Unsupported("only a model of one direction without a decoder can go on")
        read, state = self._call(advance, x, state)
        return np.array(read), state if self.spec.cell == "lstm" else state[0]

    def params(self) -> dict[str, Array]:
        return self._canonical(self.weights)

    def wait(self) -> None:
        self.jax.block_until_ready((self.pending, self.weights))

    def executed_path(self) -> str:
        """Read from what the model at the shape last seen is lowered to: only a call by name
        leaves XLA. With `jax_disable_jit` nothing was compiled, and scans were Python loops."""
        if self._eager or self.jax.config.jax_disable_jit:
            return "python-loop"
        x = self.put(np.zeros(self._shape))
        with self._context():
            text = self._function(predict).lower(self.weights, x).as_text()
        return "cudnn" if "cudnn_rnn" in text else "xla"

    def _call(self, function: Any, x: Any, *more: Any) -> Any:
        given = [self._given(value) for value in (x, *more)]
        with self._context():
            self.pending = self._function(function)(self.weights, *given)
        self._seen(x)
        return self.pending

    def _function(self, function: Any) -> Any:
        if function not in self._compiled:
            self._compiled[function] = compiled(function, self.stack, self.spec)
        return self._compiled[function]

    def _seen(self, x: Any) -> None:
        self._shape = x.shape
        self._eager = self._eager or self.jax.config.jax_disable_jit

    def _context(self) -> Any:
        """64 bits only where asked for."""
        return self.jax.enable_x64(True) if self.spec.dtype == "float64" else nullcontext()

    def _given(self, value: Any) -> Any:
        """An array, or a tuple of them, in the model's dtype: `jit` takes NumPy's as they are."""
        if value is None or isinstance(value, self.jax.Array):
            return value
        if isinstance(value, tuple | list):
            return tuple(self._given(part) for part in value)
        return self._typed(value)

    def _typed(self, array: Any) -> Array:
        array = np.asarray(array)
        return np.asarray(array, "int32" if array.dtype.kind in "iub" else self.dtype)

    def _canonical(self, weights: Any) -> dict[str, Array]:
        with self._context():
            found = canonical(self.stack, self.spec, weights)
            return {name: np.array(value) for name, value in found.items()}


def native(stack: Stack, spec: ModelSpec, params: Params) -> dict[str, Any]:
    """Weights as the optimiser sees them: the stack's pytree, a decoder's, and the readout."""
    weights = {name: params[name] for name in ("readout.w", "readout.b")}
    layers = {"layers": stack.native(spec, _within(params, ""))}
    if spec.decoder:
        layers["decoder"] = stack.native(spec.decoding, _within(params, "decoder."))
    return {**layers, **weights}


def canonical(stack: Stack, spec: ModelSpec, weights: Any) -> dict[str, Any]:
    found = dict(stack.canonical(spec, weights["layers"]))
    if spec.decoder:
        own = stack.canonical(spec.decoding, weights["decoder"])
        found |= {f"decoder.{name}": value for name, value in own.items()}
    return found | {name: weights[name] for name in ("readout.w", "readout.b")}


def _within(params: Params, prefix: str) -> dict[str, Array]:
    start = f"{prefix}layers."
    return {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(start)}


# ---- what is compiled: once for each model, however many sessions it has ----------------------


@lru_cache(maxsize=64)
def compiled(function: Any, *fixed: Any, donate: tuple[int, ...] = ()) -> Any:
    """The function under jit with its first arguments fixed. Products take the highest precision,
    so no TF32: it is part of a product from its tracing on, and costs nothing later. Of more models
    than a process compares the oldest are let go, and the memory of their code with them."""
    import jax

    def traced(*args: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return function(*fixed, *args)

    return jax.jit(traced, donate_argnums=donate)


def predict(
    stack: Stack, spec: ModelSpec, weights: Any, x: Any, lengths: Any = None, initial: Any = None
) -> Any:
    above, final = run(stack, spec, weights, x, lengths, initial)
    if spec.decoder:
        return _written(stack, spec, weights, final)
    return readout(stack, spec, weights, above, final)


def states(
    stack: Stack, spec: ModelSpec, weights: Any, x: Any, lengths: Any = None, initial: Any = None
) -> Any:
    above = run(stack, spec, weights, x, lengths, initial)[0].astype(spec.storage)
    return above.transpose(1, 0, 2) if stack.time_major else above


def advance(stack: Stack, spec: ModelSpec, weights: Any, x: Any, state: Any = None) -> Any:
    above, final = run(stack, spec, weights, x, None, state)
    return readout(stack, spec, weights, above, final), final


def gradients(
    stack: Stack, spec: ModelSpec, weights: Any, x: Any, y: Any, lengths: Any = None
) -> Any:
    from jax import value_and_grad

    return value_and_grad(lambda w: loss(stack, spec, w, x, y, lengths))(weights)


def all_gradients(
    stack: Stack, spec: ModelSpec, weights: Any, x: Any, y: Any, lengths: Any = None
) -> Any:
    from jax import value_and_grad

    return value_and_grad(lambda w, v: loss(stack, spec, w, v, y, lengths), (0, 1))(weights, x)


def hidden_gradients(stack: Stack, spec: ModelSpec, weights: Any, x: Any, y: Any) -> Any:
    import jax
    import jax.numpy as jnp

    batch, time, _ = x.shape
    order = (time, batch) if stack.time_major else (batch, time)
    zero = jnp.zeros((*order, spec.hidden * spec.directions), spec.storage)
    found = jax.grad(lambda delta: loss(stack, spec, weights, x, y, delta=delta))(zero)
    return found.transpose(1, 0, 2) if stack.time_major else found


def update(
    stack: Stack,
    spec: ModelSpec,
    training: Training,
    weights: Any,
    state: Any,
    x: Any,
    y: Any,
    lengths: Any = None,
) -> Any:
    import optax

    value, grads = gradients(stack, spec, weights, x, y, lengths)
    updates, state = optimiser(training).update(grads, state, weights)
    return optax.apply_updates(weights, updates), state, value


def loss(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    y: Any,
    lengths: Any = None,
    delta: Any = None,
) -> Any:
    above, final = run(stack, spec, weights, x, lengths, delta=delta)
    if spec.decoder:
        own = {**weights, "layers": weights["decoder"]}
        above, final = run(stack, spec.decoding, own, _taught(spec, y), initial=final)
    return LOSSES[spec.loss](readout(stack, spec, weights, above, final), y)


# ---- around the layers -----------------------------------------------------------------------


def run(
    stack: Stack,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> Any:
    if initial is not None and not isinstance(initial, tuple):
        initial = (initial,)
    above, final = stack.run(spec, weights["layers"], x, lengths, initial, delta)
    return above, tuple(part.astype(spec.storage) for part in final)


def readout(stack: Stack, spec: ModelSpec, weights: Any, above: Any, final: Any) -> Any:
    """The readout of the last layer's final h, one of each direction, or of every h."""
    import jax.numpy as jnp

    if spec.readout == "last":
        above = jnp.concatenate(list(final[0][-spec.directions :]), axis=1)
    w = weights["readout.w"].astype(spec.dtype)
    out = (above.astype(spec.dtype) @ w.T).astype(spec.storage) + weights["readout.b"]
    return out.transpose(1, 0, 2) if stack.time_major and out.ndim == 3 else out


def _taught(spec: ModelSpec, y: Any) -> Any:
    """A decoder's input in training `(batch, decoder, outputs + 1)`: the target before, and the
    begin token's feature."""
    import jax.numpy as jnp

    fed = _fed(spec, y) if spec.loss == "cross_entropy" else jnp.where(jnp.isnan(y), 0, y)
    before = jnp.pad(fed[:, :-1], ((0, 0), (1, 0), (0, 0)))
    begin = jnp.zeros((*before.shape[:2], 1), before.dtype).at[:, 0].set(1)
    return jnp.concatenate([before, begin], axis=2)


def _written(stack: Stack, spec: ModelSpec, weights: Any, state: Any) -> Any:
    """What a decoder that reads its own output writes `(batch, decoder, outputs)`."""
    import jax.numpy as jnp
    from jax import lax

    own, one = {**weights, "layers": weights["decoder"]}, spec.decoding

    def step(carry: Any, _: Any) -> Any:
        state, fed = carry
        above, state = run(stack, one, own, fed[:, None], initial=state)
        out = readout(stack, one, weights, above, state)[:, 0]
        again = _fed(spec, out.argmax(1)) if spec.loss == "cross_entropy" else out
        return (state, jnp.pad(again, ((0, 0), (0, 1)))), out

    begin = jnp.zeros((state[0].shape[1], spec.outputs + 1), spec.storage).at[:, -1].set(1)
    return lax.scan(step, (state, begin), length=spec.decoder)[1].transpose(1, 0, 2)


def _fed(spec: ModelSpec, classes: Any) -> Any:
    """Classes one-hot; of −1 nothing but zeros."""
    import jax

    return jax.nn.one_hot(classes, spec.outputs, dtype=spec.storage)


# ---- for stacks that are written layer by layer, time first --------------------------------------


def stacked(spec: ModelSpec, layer: Any, x: Any, initial: Any, delta: Any) -> Any:
    """The states of the last layer `(T, B, hidden × directions)` and the final ones, from
    `layer(name, below, start, delta, reverse)`, which runs one direction of one layer, `name`
    being `layers.{l}.{direction}`, and gives the final states and that of every step."""
    import jax.numpy as jnp

    below, size = x.transpose(1, 0, 2), spec.hidden
    zero = jnp.zeros((spec.layers * spec.directions, x.shape[0], size), x.dtype)
    initial = initial or ((zero, zero) if spec.cell == "lstm" else (zero,))
    above, final = below, []
    for name, (depth, number) in layer_names(spec).items():
        start = tuple(part[len(final)] for part in initial)
        nudge = delta if depth == spec.layers - 1 else None
        nudge = nudge if nudge is None else nudge[:, :, number * size : (number + 1) * size]
        end, made = layer(name, below, start, nudge, number == 1)
        final.append(end)
        above = jnp.concatenate([above, made], axis=2) if number else made
        below = above if number == spec.directions - 1 else below
    return above, tuple(jnp.stack(part) for part in zip(*final, strict=True))


def layer_names(spec: ModelSpec) -> dict[str, tuple[int, int]]:
    """Layer and direction by the name under which both keep their weights."""
    directions = ("forward", "backward")[: spec.directions]
    return {
        f"layers.{layer}.{direction}": (layer, number)
        for layer in range(spec.layers)
        for number, direction in enumerate(directions)
    }


def by_layer(spec: ModelSpec, params: Params) -> dict[str, dict[str, Array]]:
    """Canonical weights `w`, `u`, … of each layer and direction."""
    return {
        name: {k.rpartition(".")[2]: v for k, v in params.items() if k.startswith(f"{name}.")}
        for name in layer_names(spec)
    }


def by_name(layers: Any) -> dict[str, Any]:
    """`by_layer` undone."""
    return {f"{name}.{kind}": v for name, own in layers.items() for kind, v in own.items()}


def products(below: Any, own: Any, dtype: str) -> Any:
    """W x for all steps `(T, B, G·H)`: one product, in `bfloat16` summed in float32."""
    import jax.numpy as jnp

    x, w = below.astype(dtype), own["w"].astype(dtype)
    return jnp.matmul(x, w.T, preferred_element_type=own["b"].dtype)


def feedforward(
    spec: ModelSpec, own: Any, below: Any, start: Any, lengths: Any, delta: Any, reverse: bool
) -> Any:
    """h' = tanh(W x + b) for all steps."""
    import jax.numpy as jnp

    above = jnp.tanh(products(below, own, spec.dtype) + own["b"])
    above = held(above if delta is None else above + delta, start[0], lengths, reverse)
    return (above[0 if reverse else -1],), above


def kept(lengths: Any, time: int) -> Any:
    """True where a sequence has not ended `(T, B, 1)`; None where none of them ends."""
    import jax.numpy as jnp

    return None if lengths is None else (jnp.arange(time)[:, None] < lengths)[:, :, None]


def held(above: Any, start: Any, lengths: Any, reverse: bool) -> Any:
    """One direction's states `(T, B, H)` beyond the end: the last one forwards, the initial one
    `(B, H)` backwards."""
    import jax.numpy as jnp

    if lengths is None:
        return above
    last = start if reverse else above[lengths - 1, jnp.arange(above.shape[1])]
    return jnp.where(kept(lengths, above.shape[0]), above, last)


# ---- losses and optimiser --------------------------------------------------------------------


def mse(prediction: Any, y: Any) -> Any:
    import jax.numpy as jnp

    if prediction.ndim == 2:
        return ((prediction - y) ** 2).mean()
    seen = ~jnp.isnan(y)
    squares = jnp.where(seen, prediction - jnp.where(seen, y, 0), 0) ** 2
    return squares.sum() / jnp.maximum(seen.sum(), 1)


def cross_entropy(logits: Any, y: Any) -> Any:
    import jax.numpy as jnp
    import optax

    seen = y >= 0
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(seen, y, 0))
    return jnp.where(seen, losses, 0).sum() / jnp.maximum(seen.sum(), 1)


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}


def optimiser(training: Training) -> Any:
    import optax

    rate, betas = training.learning_rate, {"b1": training.beta1, "b2": training.beta2}
    sgd = training.optimiser == "sgd"
    rule = optax.sgd(rate) if sgd else optax.adam(rate, **betas, eps=training.epsilon)
    if training.clip_norm is None:
        return rule
    return optax.chain(optax.clip_by_global_norm(training.clip_norm), rule)
