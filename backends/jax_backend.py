"""JAX: the cells written out, `lax.scan` over time, differentiated automatically, with Optax."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata, util
from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("jax", "jaxlib", "optax")
SUPPORTS = Supports()


def devices() -> tuple[str, ...]:
    import jax

    try:
        cuda = len(jax.devices("cuda"))
    except RuntimeError:
        cuda = 0
    return ("cpu", *(f"cuda:{index}" for index in range(cuda)))


def unavailable(device: str) -> str | None:
    if missing := [name for name in REQUIRES if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if not device.startswith("cuda"):
        return None if device == "cpu" else f"JAX has no device {device!r} here"
    installed = {d.name.lower() for d in metadata.distributions(name=None) if d.name}
    if not any(name.startswith("jax-cuda") and "plugin" in name for name in installed):
        return "JAX has no CUDA plug-in installed (jax-cuda13-plugin or jax-cuda12-plugin)"
    return None


def settings(device: str) -> dict[str, Any]:
    """JAX's switches that change what is computed or how fast, as they stand."""
    import jax

    return {
        "matmul_precision": "highest",
        "platform_version": _device(device).client.platform_version,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "preallocate": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true"),
        "x64": bool(jax.config.jax_enable_x64),
    }


def peak_memory(device: str) -> int | None:
    stats = _device(device).memory_stats()
    return stats["peak_bytes_in_use"] if stats else None


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> "JaxSession":
    if reason := unavailable(device):
        raise Unsupported(reason)
    return JaxSession(spec, params, _device(device), training)


def _device(name: str) -> Any:
    import jax

    kind, _, index = name.partition(":")
    return jax.devices(kind)[int(index or 0)]


class JaxSession:
    """See `bench.spec.Session`."""

    def __init__(self, spec: ModelSpec, params: Params, device: Any, training: Training) -> None:
        import jax

        self.jax, self.spec, self.device, self.training = jax, spec, device, training
        self.dtype = np.dtype(spec.dtype)
        with self._context():
            self.weights = {name: self.put(value) for name, value in params.items()}
            self.state = jax.device_put(optimiser(training).init(self.weights), device)
        self.pending: Any = self.weights
        self._shape = (1, 2, spec.inputs)

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        dtype = np.dtype("int32") if array.dtype.kind in "iub" else self.dtype
        with self._context():
            return self.jax.device_put(np.asarray(array, dtype), self.device)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return self._numpy(
            self._call("predict", x, self._ends(lengths), self._given(initial_state))
        )

    def forward(self, x: Any) -> Any:
        return self._call("predict", x)

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return self._numpy(self._call("states", x, self._ends(lengths), self._given(initial_state)))

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, (grads, dx) = self._call("all_gradients", x, y, self._ends(lengths))
        found = {name: self._numpy(value) for name, value in grads.items()}
        return float(loss), {**found, "x": self._numpy(dx)}

    def backward(self, x: Any, y: Any) -> Any:
        return self._call("gradients", x, y)

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        """The gradient with respect to a zero added to every h_t of the last layer."""
        x = self._on(x)
        width = self.spec.hidden * self.spec.directions
        zero = self.put(np.zeros((x.shape[1], x.shape[0], width)))
        return self._numpy(self._call("hidden_gradients", zero, x, y)).transpose(1, 0, 2)

    def step(self, x: Any, y: Any) -> Any:
        with self._context():
            x, y = self._on(x), self._on(y)
            self.weights, self.state, self.pending = compiled("update")(
                self.spec, self.training, self.weights, self.state, x, y
            )
        self._shape = x.shape
        return self.pending

    def params(self) -> dict[str, Array]:
        return {name: self._numpy(value) for name, value in self.weights.items()}

    def wait(self) -> None:
        self.jax.block_until_ready((self.pending, self.weights))

    def executed_path(self) -> str:
        """Read from what the model at the shape last seen is lowered to: only a call by name
        leaves XLA."""
        x = self.put(np.zeros(self._shape))
        with self._context():
            text = compiled("predict").lower(self.spec, self.weights, x).as_text()
        return "cudnn" if "cudnn" in text and "rnn" in text.lower() else "xla"

    def _call(self, name: str, *args: Any) -> Any:
        with self._context():
            given = (self._on(arg) if isinstance(arg, np.ndarray) else arg for arg in args)
            self.pending = compiled(name)(self.spec, self.weights, *given)
        return self.pending

    @contextmanager
    def _context(self) -> Iterator[None]:
        """64 bits only where asked for, and no TF32 in float32 products."""
        wide = self.spec.dtype == "float64"
        with self.jax.enable_x64(wide), self.jax.default_matmul_precision("highest"):
            yield

    def _on(self, array: Any) -> Any:
        return array if isinstance(array, self.jax.Array) else self.put(array)

    def _ends(self, lengths: Any) -> Any:
        return None if lengths is None else self.put(np.asarray(lengths))

    def _given(self, state: Any) -> Any:
        if state is None:
            return None
        parts = state if isinstance(state, tuple | list) else (state,)
        return tuple(self._on(part) for part in parts)

    @staticmethod
    def _numpy(value: Any) -> Array:
        return np.array(value)


# ---- what is compiled: once for each model, however many sessions it has ----------------------


def predict(spec: ModelSpec, weights: Any, x: Any, lengths: Any = None, initial: Any = None) -> Any:
    return readout(spec, weights, run(spec, weights, x, lengths, initial))


def states(spec: ModelSpec, weights: Any, x: Any, lengths: Any = None, initial: Any = None) -> Any:
    return run(spec, weights, x, lengths, initial).transpose(1, 0, 2)


def gradients(spec: ModelSpec, weights: Any, x: Any, y: Any) -> Any:
    from jax import value_and_grad

    return value_and_grad(lambda w: loss(spec, w, x, y))(weights)


def all_gradients(spec: ModelSpec, weights: Any, x: Any, y: Any, lengths: Any = None) -> Any:
    from jax import value_and_grad

    return value_and_grad(lambda w, inputs: loss(spec, w, inputs, y, lengths), (0, 1))(weights, x)


def hidden_gradients(spec: ModelSpec, weights: Any, zero: Any, x: Any, y: Any) -> Any:
    from jax import grad

    return grad(lambda delta: loss(spec, weights, x, y, delta=delta))(zero)


def update(spec: ModelSpec, training: Training, weights: Any, state: Any, x: Any, y: Any) -> Any:
    import optax

    value, grads = gradients(spec, weights, x, y)
    updates, state = optimiser(training).update(grads, state, weights)
    return optax.apply_updates(weights, updates), state, value


@cache
def compiled(name: str) -> Any:
    """The function of that name under jit, the model (and for `update` the training, whose
    weights and state are given away) being fixed at compilation."""
    from jax import jit

    if name == "update":
        return jit(update, static_argnums=(0, 1), donate_argnums=(2, 3))
    return jit(globals()[name], static_argnums=0)


def loss(
    spec: ModelSpec, weights: Any, x: Any, y: Any, lengths: Any = None, delta: Any = None
) -> Any:
    above = run(spec, weights, x, lengths, delta=delta)
    return LOSSES[spec.loss](readout(spec, weights, above), y)


# ---- the model: time-major inside ----------------------------------------------------------


def run(
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial: Any = None,
    delta: Any = None,
) -> Any:
    """All states of the last layer `(T, B, hidden × directions)`; `delta` of the same shape is
    added to them as they are made."""
    import jax.numpy as jnp

    steps, batch = x.shape[1], x.shape[0]
    below = x.transpose(1, 0, 2)
    keep = None if lengths is None else (jnp.arange(steps)[:, None] < lengths)[:, :, None]
    zero = jnp.zeros((spec.layers * spec.directions, batch, spec.hidden), x.dtype)
    initial = initial or ((zero, zero) if spec.cell == "lstm" else (zero,))
    for layer in range(spec.layers):
        top = layer == spec.layers - 1
        parts = []
        for number, direction in enumerate(("forward", "backward")[: spec.directions]):
            start, size = tuple(s[layer * spec.directions + number] for s in initial), spec.hidden
            nudge = delta[:, :, number * size :][:, :, :size] if top and delta is not None else None
            prefix = f"layers.{layer}.{direction}."
            own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
            parts.append(_direction(spec, own, below, start, keep, nudge, direction == "backward"))
        below = jnp.concatenate(parts, axis=2) if len(parts) == 2 else parts[0]
    return below


def _direction(
    spec: ModelSpec, own: Any, below: Any, start: Any, keep: Any, delta: Any, reverse: bool
) -> Any:
    """One direction of one layer: W x + b for all steps in one product, then the scan."""
    import jax.numpy as jnp
    from jax import lax

    a = below @ own["w"].T + own["b"]
    if spec.cell == "feedforward":
        states = jnp.tanh(a) if delta is None else jnp.tanh(a) + delta
        return states if keep is None else _held(states, start[0], keep, reverse)
    cell = CELLS[spec.gru if spec.cell == "gru" else spec.cell]
    weights = {name: own[name] for name in ("u", "b_hn") if name in own}

    def step(state: Any, inputs: Any) -> Any:
        at, nudge, kept = inputs
        new = cell(at, *state, **weights)
        if nudge is not None:
            new = (new[0] + nudge, *new[1:])
        if kept is not None:
            new = tuple(jnp.where(kept, n, s) for n, s in zip(new, state, strict=True))
        return new, new[0]

    return lax.scan(step, start, (a, delta, keep), reverse=reverse)[1]


def _held(states: Any, start: Any, keep: Any, reverse: bool) -> Any:
    """Beyond the end: the last state forwards, the initial one backwards."""
    import jax.numpy as jnp

    if reverse:
        return jnp.where(keep, states, start)
    return jnp.take_along_axis(states, keep.sum(axis=0, keepdims=True) - 1, axis=0) * ~keep + (
        states * keep
    )


def readout(spec: ModelSpec, weights: Any, states: Any) -> Any:
    import jax.numpy as jnp

    size = spec.hidden
    if spec.readout == "last":
        states = jnp.concatenate([states[-1, :, :size], states[0, :, size:]], axis=1)
    out = states @ weights["readout.w"].T + weights["readout.b"]
    return out if out.ndim == 2 else out.transpose(1, 0, 2)


# The gates are cut by slices: with jnp.split, jax 0.10.2 is reported to compile wrong gradients on
# the CPU of some machines.


def rnn(a: Any, h: Any, *, u: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp

    return (jnp.tanh(a + h @ u.T),)


def lstm(a: Any, h: Any, c: Any, *, u: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    v, size = a + h @ u.T, h.shape[1]
    i, f, o = sigmoid(v[:, :size]), sigmoid(v[:, size : 2 * size]), sigmoid(v[:, 3 * size :])
    c = f * c + i * jnp.tanh(v[:, 2 * size : 3 * size])
    return o * jnp.tanh(c), c


def gru(a: Any, h: Any, *, u: Any, b_hn: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    v, size = h @ u.T, h.shape[1]
    r, z = sigmoid(a[:, :size] + v[:, :size]), sigmoid((a + v)[:, size : 2 * size])
    n = jnp.tanh(a[:, 2 * size :] + r * (v[:, 2 * size :] + b_hn))
    return ((1 - z) * n + z * h,)


def gru_reset_before(a: Any, h: Any, *, u: Any) -> tuple[Any, ...]:
    import jax.numpy as jnp
    from jax.nn import sigmoid

    size = h.shape[1]
    v = a[:, : 2 * size] + h @ u[: 2 * size].T
    r, z = sigmoid(v[:, :size]), sigmoid(v[:, size:])
    n = jnp.tanh(a[:, 2 * size :] + (r * h) @ u[2 * size :].T)
    return ((1 - z) * n + z * h,)


CELLS = {"rnn": rnn, "lstm": lstm, "reset_after": gru, "reset_before": gru_reset_before}


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

    adam = optax.adam(
        training.learning_rate, b1=training.beta1, b2=training.beta2, eps=training.epsilon
    )
    if training.clip_norm is None:
        return adam
    return optax.chain(optax.clip_by_global_norm(training.clip_norm), adam)
