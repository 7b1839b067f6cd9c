"""The losses of `ModelSpec`."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bench.spec import ModelSpec


def loss_of(spec: ModelSpec, prediction: Tensor, y: Tensor) -> Any:
    """The mean loss of a prediction; missing targets are left out."""
    if spec.loss == "cross_entropy":
        rows = prediction.reshape(-1, prediction.shape[-1])
        return _cross_entropy(rows, y.reshape(-1))
    if spec.readout == "last":
        return functional.mse_loss(prediction, y)
    present = ~y.isnan()
    squares = torch.where(present, prediction - y, 0).square()
    return squares.sum() / present.sum().clamp(min=1)


def _cross_entropy(rows: Tensor, labels: Tensor) -> Tensor:
    """The mean over the rows that have a label; 0 where none has."""
    # PyTorch's own mean over no label is NaN. This operation counts the labels while it adds up.
    log_softmax, reduction = functional.log_softmax(rows, 1), _SUM
    total, count = torch.ops.aten.nll_loss_forward(log_softmax, labels, None, reduction, -1)
    return total / count.clamp(min=1)


_SUM = 2
"""ATen's number for the reduction by a sum."""
