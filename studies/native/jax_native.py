"""Hand-written JAX: a plain `lax.scan`, Flax' nnx layers, Equinox' cells; each with Optax in one
jitted update whose weights and optimiser state are donated."""

from collections.abc import Callable
from functools import partial
from typing import Any

from studies.native.problem import Call, Problem


def plain(problem: Problem) -> Call:
    """The cell written out; W x + b of all steps is one product before the scan."""
    import jax.numpy as jnp
    from jax import lax

    cell = CELLS[problem.spec.cell]

    def predict(weights: Any, x: Any) -> Any:
        layer, (readout_w, readout_b) = weights
        a = x.swapaxes(0, 1) @ layer["w"].T + layer["b"]
        zero = jnp.zeros((x.shape[0], problem.spec.hidden), x.dtype)
        start = (zero, zero) if problem.spec.cell == "lstm" else (zero,)
        (h, *_), _ = lax.scan(lambda state, at: (cell(layer, at, *state), None), start, a)
        return h @ readout_w.T + readout_b

    return training_call(problem, predict, (problem.layer, problem.readout))


def rnn(layer: Any, a: Any, h: Any) -> tuple[Any, ...]:
    """The next state h; `a` is W x + b of this step."""
    import jax.numpy as jnp

    return (jnp.tanh(a + h @ layer["u"].T),)


def lstm(layer: Any, a: Any, h: Any, c: Any) -> tuple[Any, ...]:
    """The next states h and c; `a` is W x + b of this step."""
    import jax.numpy as jnp
    from jax.nn import sigmoid

    i, f, g, o = jnp.split(a + h @ layer["u"].T, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    return sigmoid(o) * jnp.tanh(c), c


def gru(layer: Any, a: Any, h: Any) -> tuple[Any, ...]:
    """The next state h; `a` is W x + b of this step."""
    import jax.numpy as jnp
    from jax.nn import sigmoid

    ar, az, an = jnp.split(a, 3, axis=1)
    ur, uz, un = jnp.split(h @ layer["u"].T, 3, axis=1)
    r, z = sigmoid(ar + ur), sigmoid(az + uz)
    return ((1 - z) * jnp.tanh(an + r * (un + layer["b_hn"])) + z * h,)


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def flax(problem: Problem) -> Call:
    """nnx.RNN over OptimizedLSTMCell or SimpleCell, and nnx.Linear. nnx' gru has no `b_hn`."""
    from flax import nnx

    spec, rngs = problem.spec, nnx.Rngs(0)
    cell_class = {"lstm": nnx.OptimizedLSTMCell, "rnn": nnx.SimpleCell}[spec.cell]
    cell = cell_class(spec.inputs, spec.hidden, rngs=rngs)
    layer = nnx.RNN(cell, return_carry=True, time_major=True, rngs=False)
    readout = nnx.Linear(spec.hidden, spec.outputs, rngs=rngs)
    biased = cell.dense_h if spec.cell == "lstm" else cell.dense_i
    cell.dense_i.kernel[...], cell.dense_h.kernel[...] = problem.layer["w"].T, problem.layer["u"].T
    biased.bias[...] = problem.layer["b"]
    readout.kernel[...], readout.bias[...] = problem.readout[0].T, problem.readout[1]
    graph, weights = nnx.split((layer, readout))

    def predict(weights: Any, x: Any) -> Any:
        layer, readout = nnx.merge(graph, weights)
        carry, _ = layer(x.swapaxes(0, 1), rngs=nnx.Rngs(0))
        return readout(carry[1] if spec.cell == "lstm" else carry)

    # A dictionary: `jit` flattens it in less time than Flax' own state.
    return training_call(problem, predict, nnx.to_pure_dict(weights))


def equinox(problem: Problem) -> Call:
    """eqx.nn.LSTMCell or GRUCell in a scan and eqx.nn.Linear, mapped over the batch."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    spec, layer, key = problem.spec, problem.layer, jax.random.key(0)
    cell_class = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[spec.cell]
    names = {"w": "weight_ih", "u": "weight_hh", "b": "bias", "b_hn": "bias_n"}
    cell = cell_class(spec.inputs, spec.hidden, key=key)
    fields = [names[name] for name in layer]
    cell = eqx.tree_at(lambda c: [getattr(c, f) for f in fields], cell, list(layer.values()))
    readout = eqx.nn.Linear(spec.hidden, spec.outputs, key=key)
    readout = eqx.tree_at(lambda r: (r.weight, r.bias), readout, problem.readout)
    weights, fixed = eqx.partition((cell, readout), eqx.is_array_like)

    def predict(weights: Any, x: Any) -> Any:
        cell, readout = eqx.combine(weights, fixed)
        zero = jnp.zeros(spec.hidden)

        def sequence(steps: Any) -> Any:
            start = (zero, zero) if spec.cell == "lstm" else zero
            state, _ = jax.lax.scan(lambda s, step: (cell(step, s), None), start, steps)
            return readout(state[0] if spec.cell == "lstm" else state)

        return jax.vmap(sequence)(x)

    return training_call(problem, predict, weights)


def training_call(problem: Problem, predict: Callable[[Any, Any], Any], weights: Any) -> Call:
    """One update of `predict(weights, x)` with the loss mse and Optax' Adam."""
    import jax
    import jax.numpy as jnp
    import optax

    training = problem.training
    adam = optax.adam(training.learning_rate, training.beta1, training.beta2, training.epsilon)
    jax.config.update("jax_default_device", jax.devices(problem.device)[0])
    weights = jax.tree.map(jnp.array, weights)
    buffers: list[Any] = [weights, adam.init(weights), None]  # donated to the next update
    x, y = jnp.array(problem.x), jnp.array(problem.y)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(weights: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        def mse(weights: Any) -> Any:
            with jax.default_matmul_precision("highest"):  # TF32 is the default on a GPU
                return jnp.square(predict(weights, x) - y).mean()

        loss, grads = jax.value_and_grad(mse)(weights)
        updates, state = adam.update(grads, state)
        return optax.apply_updates(weights, updates), state, loss

    def run() -> Any:
        buffers[:] = update(buffers[0], buffers[1], x, y)
        return buffers[2]

    return Call(run, lambda: jax.block_until_ready(buffers), lambda: float(run()))
