"""Which kernels ran, from the names that PyTorch's profiler records."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from bench.spec import CELLS, ModelSpec

SCAN = "AtenScan"
"""The profiler's name for the autograd function of torch-scan."""


def profiled_calls(run: Callable[[], Any]) -> dict[str, int]:
    """How often each operation is called while `run` runs, by the profiler's name for it."""
    cpu = torch.profiler.ProfilerActivity.CPU  # ATen's calls alone: CUPTI stays detached
    with torch.profiler.profile(activities=[cpu], acc_events=True) as profile:
        run()
    return {event.key: event.count for event in profile.key_averages()}


def path_of_calls(calls: Mapping[str, int], spec: ModelSpec) -> str:
    """The executed path of a pass of this model that made these calls."""
    if any("cudnn_rnn" in name for name in calls):
        return "cudnn"
    if any("mkldnn_rnn" in name for name in calls):
        return "onednn"
    if SCAN in calls:
        return "aten-scan"
    if calls.keys() & {"aten::lstm", "aten::gru", "aten::rnn_tanh"}:
        return "aten"
    eager = sum(calls.get(f"aten::{name}", 0) for name in ("tanh", "lstm_cell", "gru_cell"))
    if not eager and any("CompiledFxGraph" in name for name in calls):
        return "inductor"
    once_a_layer = eager <= spec.layers * spec.directions
    return "aten" if not CELLS[spec.cell].recurrent and once_a_layer else "python-loop"
