"""Hand-written Keras: a Sequential model, and Keras' own training loop with
`jit_compile="auto"`."""

from typing import Any

import numpy as np

from studies.native.problem import Call, Problem, flops

FIT_FLOPS = 5e10
FEWEST_STEPS, MOST_STEPS = 2, 200
"""One `fit` takes about a second, so that its start and end weigh little."""


def fit(problem: Problem) -> Call:
    """`model.fit` over a data set that repeats one batch, which is on the device already."""
    import tensorflow as tf

    model = sequential(problem)
    model.compile(adam(problem), "mse")
    steps = int(min(max(FIT_FLOPS // flops(problem), FEWEST_STEPS), MOST_STEPS))
    batch = tf.data.Dataset.from_tensors((tf.constant(problem.x), tf.constant(problem.y)))
    batches = batch.repeat(steps).prefetch(2)

    def run(data: Any = batches) -> Any:
        return model.fit(data, verbose=0)

    wait = tf.test.experimental.sync_devices
    return Call(run, wait, lambda: run(batch).history["loss"][0], steps)


def sequential(problem: Problem) -> Any:
    """The layer and the readout with the canonical weights.

    Keras' gru has a second bias; a constraint keeps it at zero except for the candidate gate.
    """
    import keras

    spec = problem.spec
    layer_classes = {
        "lstm": keras.layers.LSTM,
        "gru": keras.layers.GRU,
        "rnn": keras.layers.SimpleRNN,
    }
    constraint = {"bias_constraint": _one_bias(spec.hidden)} if spec.cell == "gru" else {}
    layer = layer_classes[spec.cell](spec.hidden, **constraint)
    readout = keras.layers.Dense(spec.outputs)
    model = keras.Sequential([keras.Input(problem.x.shape[1:], len(problem.x)), layer, readout])
    layer.set_weights(_keras_order(problem))
    readout.set_weights([problem.readout[0].T, problem.readout[1]])
    return model


def adam(problem: Problem) -> Any:
    """Keras' Adam with the settings of the problem."""
    import keras

    training = problem.training
    return keras.optimizers.Adam(
        training.learning_rate, training.beta1, training.beta2, training.epsilon
    )


def _one_bias(hidden: int) -> Any:
    mask = np.ones((2, 3 * hidden), np.float32)
    mask[1, : 2 * hidden] = 0
    return lambda bias: bias * mask


def _keras_order(problem: Problem) -> list[Any]:
    """Kernel, recurrent kernel and bias; the gates of the gru in the order z, r, n."""
    layer, hidden = problem.layer, problem.spec.hidden
    w, u, b = layer["w"], layer["u"], layer["b"]
    if problem.spec.cell == "gru":
        order = np.r_[hidden : 2 * hidden, :hidden, 2 * hidden : 3 * hidden]
        second = np.concatenate([np.zeros(2 * hidden, b.dtype), layer["b_hn"]])
        w, u, b = w[order], u[order], np.stack([b[order], second])
    return [w.T, u.T, b]
