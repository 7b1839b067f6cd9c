"""How Keras' recurrent layers run, and what Keras has of cuDNN."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """How the recurrent layers run.

    `cudnn` lets Keras choose cuDNN where it can; `unroll` unrolls its loop over time; `scan` is a
    function with the signature of `backends._keras.layers.keras_scan` that runs one direction of
    one layer in place of Keras' own loop.
    """

    cudnn: bool = False
    unroll: bool = False
    scan: Callable[..., Any] | None = None


def keras_has_cudnn(spec: ModelSpec) -> bool:
    """Whether Keras can run the cell by cuDNN: the lstm, and the gru that resets after U h."""
    return spec.cell == "lstm" or (spec.cell == "gru" and spec.gru == "reset_after")
