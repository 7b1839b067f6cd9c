"""Hand-written TensorFlow: Keras' layers and Adam, one training step in one tf.function."""

from typing import Any

from studies.native.keras_native import adam, sequential
from studies.native.problem import Call, Problem


def step(problem: Problem) -> Call:
    """One update: the loss mse, its gradients and Keras' Adam, in one graph."""
    import tensorflow as tf

    model, optimiser = sequential(problem), adam(problem)
    x, y = tf.constant(problem.x), tf.constant(problem.y)

    @tf.function(autograph=False)
    def update(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        grads = tape.gradient(loss, model.trainable_variables)
        optimiser.apply(grads, model.trainable_variables)
        return loss

    def run() -> Any:
        return update(x, y)

    return Call(run, tf.test.experimental.sync_devices, lambda: float(run()))
