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


def jax_takes_cudnn(spec: ModelSpec, device: str) -> bool:
    """Whether Keras on JAX runs the model by cuDNN: on a GPU its lstm in float32, the one cell and
    dtype of `jax.experimental.rnn`.

    Not in two directions: from cuDNN, Keras returns the states of a layer that goes backwards in
    the order of time, from its own loop in the layer's order (Keras 3.15).
    """
    one_way_lstm = spec.cell == "lstm" and not spec.bidirectional
    return device != "cpu" and one_way_lstm and spec.dtype == "float32"


def keras_has_cudnn(spec: ModelSpec) -> bool:
    """Whether Keras can run the cell by cuDNN: the lstm, and the gru that resets after U h."""
    return spec.cell == "lstm" or (spec.cell == "gru" and spec.gru == "reset_after")
