"""Matrix products alone: MKL's on the CPU, cuBLAS' on a GPU."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from bench.spec import Operands


def matrix_products(operands: Sequence[Operands], dtype: str, device: str) -> Callable[[], None]:
    """See `bench.spec.Backend`."""
    entries = []
    for a, b, count in operands:
        left, right = (torch.as_tensor(m).to(device, getattr(torch, dtype)) for m in (a, b))
        entries.append((left, right, left.new_empty(len(left), right.shape[1]), count))
    call = partial(_multiply, entries)
    return call if device == "cpu" else _as_graph(call, device)


def _multiply(entries: Sequence[tuple[Any, Any, Any, int]]) -> None:
    for a, b, out, count in entries:
        for _ in range(count):
            torch.mm(a, b, out=out)


def _as_graph(call: Callable[[], None], device: str) -> Callable[[], None]:
    """The calls as one CUDA graph: one by one, small products would wait for their launches."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        call()  # cuBLAS makes its handle and its workspace, which a capture does not allow
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            call()

    def replay() -> None:
        with torch.cuda.device(device):
            graph.replay()
            torch.cuda.synchronize()

    return replay
