"""Random noise in the shapes that other benchmarks time, to measure speed.

`--tasks workload:fastrnns` selects a shape, `workload:fastrnns:length=50` changes one of its
sizes. Layers and directions are separate options: `--layers 4 --directions 2`.

Sources of the shapes: `braun` is from Braun's rnn_benchmarks (2018, arXiv 1806.01818); `fastrnns`
is PyTorch's own benchmark of that name; `deepbench` is Baidu's DeepBench; `rosetta-imdb` is the
DeepLearningFrameworks comparison; `flashrnn` is from Pöppel, Beck & Hochreiter (2024);
`keras-layers` is Keras' benchmark of its layers; `vollo-tiny` is the `lstm_tiny` of Vollo, which
runs on FPGAs: one step of two layers (2.4 µs in the mean, by its page
https://vollo.myrtle.ai/latest/benchmark-lstm.html). `tiny` and `small` are of this project, and so
are the shapes of a service: `service` is two days of hourly values from seven sensors,
`service-batch` 32 such windows at once, for two layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from bench.spec import Array
from tasks._settings import check_settings

REQUIRES: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Inputs of `width` channels and targets, all standard normal; `shape` names the sizes."""

    shape: str
    batch: int
    length: int
    width: int
    hidden: int
    outputs: int = 1
    steps: int = 50
    learning_rate: float = 1e-3
    clip_norm: float | None = None

    readout = "last"
    loss = "mse"
    metric = "mse"
    chance = 1.0
    """The error of always answering 0: the variance of the targets."""
    threshold = 0.01
    """Out of reach: the targets are noise, drawn again for every batch."""
    baselines: ClassVar[Mapping[str, float]] = MappingProxyType({})
    unread = ("shape",)
    """`shape` names the sizes and does not set them."""

    def __post_init__(self) -> None:
        check_settings(self, length=1, width=1, outputs=1)

    @property
    def inputs(self) -> int:
        return self.width

    @property
    def time(self) -> int:
        return self.length

    def sample(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """x `(batch, length, width)` and targets `(batch, outputs)`."""
        return self._draw(rng, self.batch)

    def evaluation(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """As `sample`, for twice as many sequences as a batch has."""
        return self._draw(rng, 2 * self.batch)

    def scores(self, predictions: Array, y: Array) -> dict[str, float]:
        """`mse`, the mean squared error of predictions `(n, outputs)`."""
        return {"mse": float(np.mean((predictions - y) ** 2))}

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        x = rng.standard_normal((count, self.length, self.width))
        return x, rng.standard_normal((count, self.outputs))


def _shape(
    name: str, batch: int, length: int, width: int, hidden: int, outputs: int = 1
) -> Workload:
    return Workload(
        shape=name, batch=batch, length=length, width=width, hidden=hidden, outputs=outputs
    )


NAMED: Mapping[str, Workload] = {
    shape.shape: shape
    for shape in (
        _shape("tiny", 50, 50, 2, 32),
        _shape("small", 64, 100, 2, 128),
        _shape("braun-1x320", 64, 100, 123, 320),
        _shape("braun-1x320-long", 32, 1000, 123, 320),
        _shape("braun-4x320-bi", 32, 1000, 123, 320),
        _shape("fastrnns", 64, 100, 512, 512),
        _shape("deepbench-vanilla", 64, 50, 1760, 1760),
        _shape("deepbench-lstm", 64, 25, 512, 512),
        _shape("deepbench-lstm-1024", 128, 25, 1024, 1024),
        _shape("deepbench-gru", 32, 1500, 1024, 1024),
        _shape("rosetta-imdb", 64, 150, 125, 100),
        _shape("flashrnn", 16, 1024, 768, 768),
        _shape("keras-layers", 256, 256, 256, 32),
        _shape("service", 1, 48, 7, 64),
        _shape("service-batch", 32, 48, 7, 64),
        _shape("vollo-tiny", 1, 1, 128, 128, outputs=32),
    )
}
PROFILES: Mapping[str, Workload] = {
    "smoke": replace(_shape("smoke", 4, 5, 2, 8), steps=5),
    "standard": NAMED["small"],
    "paper": NAMED["braun-1x320"],
    **NAMED,
}
