"""Every probe refuses data of other sizes than its task declares."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

from bench.gate.parity import parity
from bench.probes.context import ProbeContext
from bench.probes.lengths import lengths
from bench.probes.memory import memory
from bench.probes.speed import speed
from bench.probes.training import train

PROBES: dict[str, Callable[[ProbeContext], Any]] = {
    "parity": parity,
    "speed": speed,
    "memory": memory,
    "learning": train,
}


class OtherData:
    """A task whose training batches or held-out sequences are changed."""

    def __init__(self, task: Any, method: str, change: Callable[[Any, Any], Any]) -> None:
        self._task, self._method, self._change = task, method, change

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._task, name)
        if name == "longer":
            return lambda times: OtherData(value(times), self._method, self._change)
        return (lambda rng: self._change(*value(rng))) if name == self._method else value


def with_data(probe: str, method: str, change: Callable[[Any, Any], Any]) -> ProbeContext:
    context = bench_for("numpy", probe, cell="rnn", length=6, batch=4, steps=2, held_out=5)
    return replace(context, task=OtherData(context.task, method, change))  # type: ignore[arg-type]


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:2], y[:2]), r"adding made x of the shape \(2, 6, 2\), .* \(4, 6, 2\)"),
        (lambda x, y: (x[:, :3], y), r"adding made x of the shape \(4, 3, 2\), .* \(4, 6, 2\)"),
        (lambda x, y: (np.repeat(x, 2, 1), y), r"of the shape \(4, 12, 2\)"),
        (lambda x, y: (x[..., :1], y), r"\(4, 6, 1\), but this model reads"),
        (lambda x, y: (x, y[:2]), r"y has the shape \(2, 1\)"),
        (lambda x, y: (x, y[:, 0]), r"y has the shape \(4,\)"),
        (lambda x, y: (x, y > 0), "y has the dtype bool"),
    ],
)
def test_batch_of_other_sizes_than_declared_is_refused(
    probe: str, change: Callable[[Any, Any], Any], message: str
) -> None:
    PROBES[probe](with_data(probe, "sample", lambda x, y: (x, y)))
    with pytest.raises(ValueError, match=message):
        PROBES[probe](with_data(probe, "sample", change))


def test_held_out_sequences_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 3, 2\), .* \(5, 6, 2\)"):
        train(with_data("learning", "evaluation", lambda x, y: (x[:, :3], y)))


def test_longer_sequences_have_the_length_that_the_longer_task_declares() -> None:
    context = with_data("lengths", "evaluation", lambda x, y: (x[:, :6], y))
    with pytest.raises(ValueError, match=r"\(5, 6, 2\), .* \(5, 12, 2\)"):
        lengths(context, train(context))
