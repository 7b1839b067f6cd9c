"""The mean losses of `ModelSpec`, in Keras' operations."""

from typing import Any

from keras import ops


def mse(prediction: Any, y: Any) -> Any:
    """The mean of (prediction − target)²; at every step, targets that are NaN are left out."""
    y = ops.cast(y, prediction.dtype)
    error = prediction - y
    if len(prediction.shape) == 2:
        return ops.mean(ops.square(error))
    is_target = ops.logical_not(ops.isnan(y))
    return _mean_of(ops.square(ops.where(is_target, error, ops.zeros_like(error))), is_target)


def cross_entropy(logits: Any, y: Any) -> Any:
    """The mean of −log softmax(logits)[class]; positions labelled −1 are left out."""
    is_target = y >= 0
    labels = ops.where(is_target, y, ops.zeros_like(y))
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return _mean_of(ops.where(is_target, losses, ops.zeros_like(losses)), is_target)


def _mean_of(values: Any, is_target: Any) -> Any:
    """The mean of the values that have a target; the others are zero."""
    count = ops.sum(ops.cast(is_target, "int32"))  # float32 counts exactly only to 2²⁴
    return ops.sum(values) / ops.cast(ops.maximum(count, 1), values.dtype)


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}
