"""The losses of `ModelSpec`: value and derivative."""

import numpy as np

from bench.spec import Array


def mse(prediction: Array, y: Array) -> tuple[float, Array]:
    """The mean of (prediction − y)² over all elements, and its derivative. In a prediction of
    every step `(B, T, O)`, elements whose target is NaN are left out."""
    difference = prediction - y.astype(prediction.dtype)
    count = difference.size
    if prediction.ndim == 3:
        missing = np.isnan(y)
        difference[missing] = 0
        count = max(count - int(missing.sum()), 1)
    return float((difference * difference).sum() / count), difference * (2 / count)


def cross_entropy(logits: Array, y: Array) -> tuple[float, Array]:
    """The mean of −log softmax(logits)[y] over positions, and its derivative. Positions labelled −1
    are left out."""
    labels, rows = y.reshape(-1), logits.reshape(-1, logits.shape[-1])
    labelled = labels >= 0
    shifted = rows - rows.max(axis=1, keepdims=True)
    exponential = np.exp(shifted)
    total = exponential.sum(axis=1, keepdims=True)
    position, label = np.flatnonzero(labelled), labels[labelled]
    count = max(len(position), 1)
    loss = (np.log(total[position, 0]) - shifted[position, label]).sum() / count
    d_rows = exponential / total
    d_rows[position, label] -= 1
    d_rows *= (labelled / count).astype(rows.dtype)[:, None]
    return float(loss), d_rows.reshape(logits.shape)


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}
