"""Keras' optimisers with the formulas of `bench.spec.Training`."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bench.spec import Training


def build_optimiser(
    training: Training, dtype: str, variables: list[Any]
) -> tuple[Callable[[list[Any]], None], list[Any]]:
    """The update, to be called while tracing with the gradients of the variables before clipping,
    and the optimiser's state: the count of updates and the moments, zeros at first."""
    # Keras rounds Python numbers to float32, so the constants are tensors.
    rate, beta1, beta2, epsilon = (
        tf.constant(value, dtype)
        for value in (training.learning_rate, training.beta1, training.beta2, training.epsilon)
    )
    adam = training.optimiser == "adam"
    optimiser = (
        keras.optimizers.Adam(lambda: rate, beta1, beta2)
        if adam
        else keras.optimizers.SGD(lambda: rate)
    )
    optimiser.build(variables)

    def update(gradients: list[Any]) -> None:
        if training.clip_norm is not None:
            gradients = _clip(gradients, training.clip_norm, dtype)
        if adam:
            # The ε of Keras' Adam stands inside the bias correction (the ε̂ of Kingma & Ba 2015,
            # section 2). With ε̂ = ε √(1 − β₂ᵗ) it is algorithm 1, where ε stands outside.
            count = tf.cast(optimiser.iterations.value + 1, dtype)
            optimiser.epsilon = epsilon * tf.sqrt(1 - tf.pow(beta2, count))
        optimiser.apply(gradients, variables)

    return update, optimiser.variables


def _clip(gradients: list[Any], limit: float, dtype: str) -> list[Any]:
    """The gradients times min(1, limit / ‖g‖₂), ‖g‖₂ being their global norm."""
    scale = tf.minimum(tf.ones((), dtype), limit / tf.linalg.global_norm(gradients))
    return [gradient * scale for gradient in gradients]
