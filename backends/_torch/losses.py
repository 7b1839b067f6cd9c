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
        return functional.cross_entropy(rows, y.reshape(-1), ignore_index=-1)
    if spec.readout == "last":
        return functional.mse_loss(prediction, y)
    present = ~y.isnan()
    squares = torch.where(present, prediction - y, 0).square()
    return squares.sum() / present.sum().clamp(min=1)
