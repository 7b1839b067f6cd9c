"""Hand-written PyTorch: nn.LSTM, nn.GRU or nn.RNN, nn.Linear and fused Adam."""

from typing import Any

import numpy as np

from studies.native.problem import Call, Problem


def step(problem: Problem) -> Call:
    """One update: the loss mse, its gradients and fused Adam."""
    import torch
    from torch import nn

    spec, training = problem.spec, problem.training
    layer_class = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[spec.cell]
    layer = layer_class(spec.inputs, spec.hidden, batch_first=True)
    readout = nn.Linear(spec.hidden, spec.outputs)
    load(problem, layer, readout)
    layer, readout = layer.to(problem.device), readout.to(problem.device)
    optimiser = torch.optim.Adam(
        [p for p in (*layer.parameters(), *readout.parameters()) if p.requires_grad],
        lr=training.learning_rate,
        betas=(training.beta1, training.beta2),
        eps=training.epsilon,
        fused=True,
    )
    x, y = (torch.tensor(array, device=problem.device) for array in (problem.x, problem.y))
    on_gpu = problem.device.startswith("cuda")
    if on_gpu:
        torch.backends.cudnn.allow_tf32 = False  # float32, as the adapter has it

    def run() -> Any:
        optimiser.zero_grad(set_to_none=True)
        states, _ = layer(x)
        loss = nn.functional.mse_loss(readout(states[:, -1]), y)
        loss.backward()
        optimiser.step()
        return loss.detach()

    wait = torch.cuda.synchronize if on_gpu else lambda: None
    return Call(run, wait, lambda: run().item())


def load(problem: Problem, layer: Any, readout: Any) -> None:
    """Copy the weights into the modules. Only one bias is trained: the second stays zero, except
    for `b_hn` of the gru."""
    import torch

    weights, hidden = problem.layer, problem.spec.hidden
    values = [weights["w"], weights["u"], weights["b"], np.zeros_like(weights["b"])]
    if problem.spec.cell == "gru":
        values[3][-hidden:] = weights["b_hn"]
        layer.bias_hh_l0.register_post_accumulate_grad_hook(_zeroing(2 * hidden))
    else:
        layer.bias_hh_l0.requires_grad_(False)
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), values, strict=True):
            parameter.copy_(torch.tensor(value))
        for parameter, value in zip(readout.parameters(), problem.readout, strict=True):
            parameter.copy_(torch.tensor(value))


def _zeroing(end: int) -> Any:
    def hook(bias: Any) -> None:
        bias.grad[:end] = 0

    return hook
