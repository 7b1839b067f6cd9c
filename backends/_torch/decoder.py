"""The inputs of a decoder: the begin token, then its previous outputs or targets."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from bench.spec import ModelSpec


def begin_token(spec: ModelSpec, time: int, batch: int, like: Tensor) -> Tensor:
    """A decoder's inputs `(B, T, outputs + 1)`: zeros, but for the begin flag of the first step."""
    shape = (batch, time, spec.outputs + 1)
    inputs = torch.zeros(shape, device=like.device, dtype=like.dtype)
    inputs[:, 0, -1] = 1
    return inputs


def after_output(spec: ModelSpec, output: Tensor) -> Tensor:
    """The inputs `(B, 1, outputs + 1)` of the step after an output `(B, 1, outputs)`."""
    targets = output.argmax(dim=2) if spec.loss == "cross_entropy" else output
    return pad(_features(spec, targets, output), (0, 1))


def teacher_forcing(spec: ModelSpec, y: Tensor, like: Tensor) -> Tensor:
    """The inputs `(B, T, outputs + 1)` in training: step t reads target t − 1."""
    inputs = begin_token(spec, spec.decoder, len(y), like)
    inputs[:, 1:, :-1] = _features(spec, y[:, :-1], like)
    return inputs


def _features(spec: ModelSpec, targets: Tensor, like: Tensor) -> Tensor:
    """Targets as the decoder reads them: classes one-hot, missing targets as zeros."""
    if spec.loss == "mse":
        return torch.where(targets.isnan(), 0, targets)
    classes = torch.arange(spec.outputs, device=like.device)
    return (targets[:, :, None] == classes).to(like.dtype)
