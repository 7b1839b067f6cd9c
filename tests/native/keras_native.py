"""Keras by hand: a Sequential model, and Keras' own training loop under `jit_compile="auto"`."""

from typing import Any

import numpy as np

from .problem import Call, Problem, flops

FIT_FLOPS = 5e10
FEWEST, MOST = 2, 200
"""A fit lasts for a second or so, so that its beginning and end weigh little."""


def fit(given: Problem) -> Call:
    """`model.fit` over a data set that hands out the same batch, which is there already."""
    import tensorflow as tf

    model = sequential(given)
    model.compile(adam(given), "mse")
    steps = int(min(max(FIT_FLOPS // flops(given), FEWEST), MOST))
    one = tf.data.Dataset.from_tensors((tf.constant(given.x), tf.constant(given.y)))
    many = one.repeat(steps).prefetch(2)

    def run(data: Any = many) -> Any:
        return model.fit(data, verbose=0)

    wait = tf.test.experimental.sync_devices
    return Call(run, wait, lambda: run(one).history["loss"][0], steps)


def sequential(given: Problem) -> Any:
    """The layer and the readout with the canonical weights. The second bias of Keras' gru is
    kept at zero but for the candidate's, by a constraint."""
    import keras

    spec = given.spec
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
    more = {"bias_constraint": _one_bias(spec.hidden)} if spec.cell == "gru" else {}
    layer = kind[spec.cell](spec.hidden, **more)
    readout = keras.layers.Dense(spec.outputs)
    model = keras.Sequential([keras.Input(given.x.shape[1:], len(given.x)), layer, readout])
    layer.set_weights(_keras_order(given))
    readout.set_weights([given.readout[0].T, given.readout[1]])
    return model


def adam(given: Problem) -> Any:
    import keras

    training = given.training
    return keras.optimizers.Adam(
        training.learning_rate, training.beta1, training.beta2, training.epsilon
    )


def _one_bias(hidden: int) -> Any:
    mask = np.ones((2, 3 * hidden), np.float32)
    mask[1, : 2 * hidden] = 0
    return lambda bias: bias * mask


def _keras_order(given: Problem) -> list[Any]:
    """Kernel, recurrent kernel and bias; the gru's gates in the order z, r, n."""
    own, hidden = given.layer, given.spec.hidden
    w, u, b = own["w"], own["u"], own["b"]
    if given.spec.cell == "gru":
        order = np.r_[hidden : 2 * hidden, :hidden, 2 * hidden : 3 * hidden]
        second = np.concatenate([np.zeros(2 * hidden, b.dtype), own["b_hn"]])
        w, u, b = w[order], u[order], np.stack([b[order], second])
    return [w.T, u.T, b]
