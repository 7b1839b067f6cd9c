"""The losses of `ModelSpec`, as scalars."""

from typing import Any

import jax.numpy as jnp
import optax


def mse(prediction: Any, y: Any) -> Any:
    """The mean of (prediction − y)²; targets that are NaN are left out of a readout of every
    step."""
    if prediction.ndim == 2:
        return ((prediction - y) ** 2).mean()
    observed = ~jnp.isnan(y)
    # NaN is replaced before the subtraction as well: zero times NaN would reach the gradient.
    squares = jnp.where(observed, prediction - jnp.where(observed, y, 0), 0) ** 2
    return squares.sum() / jnp.maximum(observed.sum(), 1)


def cross_entropy(logits: Any, y: Any) -> Any:
    """The mean of −log softmax(logits)[y]; positions labelled −1 are left out."""
    labelled = y >= 0
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(labelled, y, 0))
    return jnp.where(labelled, losses, 0).sum() / jnp.maximum(labelled.sum(), 1)


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}
