"""The optimisers of `Training`: PyTorch's own, fused."""

from collections.abc import Sequence

import torch
from torch.nn import Parameter

from bench.spec import Training


def make_optimiser(parameters: Sequence[Parameter], training: Training) -> torch.optim.Optimizer:
    """The optimiser without clipping, which comes before it."""
    rate = training.learning_rate
    if training.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, fused=True)
    betas = training.beta1, training.beta2
    return torch.optim.Adam(parameters, lr=rate, betas=betas, eps=training.epsilon, fused=True)


def clip_gradients(parameters: Sequence[Parameter], limit: float) -> None:
    """Scale all gradients by min(1, limit / ‖g‖), in place."""
    gradients = [p.grad for p in parameters]
    # PyTorch's clip_grad_norm_ would add 1e-6 to the norm.
    norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
    torch._foreach_mul_(gradients, (limit / norm).clamp(max=1.0))
