"""The inputs of a decoder: the begin token, then its previous outputs or targets."""

from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec


def begin_token(spec: ModelSpec, time: int, batch: int) -> Array:
    """A decoder's inputs `(T, outputs + 2, B)`: zeros, but for the begin flag of the first step and
    a row of ones for the bias."""
    inputs = np.zeros((time, spec.outputs + 2, batch), spec.dtype)
    inputs[0, -2] = inputs[:, -1] = 1
    return inputs


def after_output(spec: ModelSpec, output: Array) -> Array:
    """The inputs `(1, outputs + 2, B)` of the step after an output `(B, outputs)`."""
    inputs = begin_token(spec, 1, len(output))
    inputs[0, -2] = 0
    if spec.loss == "cross_entropy":
        output = one_hot(output.argmax(axis=1), spec.outputs)
    inputs[0, :-2] = output.T
    return inputs


def teacher_forcing(spec: ModelSpec, y: Array) -> Array:
    """The inputs `(T, outputs + 2, B)` in training: step t reads target t − 1. A missing target is
    read as zeros."""
    previous = y[:, :-1]
    if spec.loss == "cross_entropy":
        previous = one_hot(previous, spec.outputs)
    inputs = begin_token(spec, spec.decoder, len(y))
    inputs[1:, :-2] = np.nan_to_num(previous, nan=0.0).transpose(1, 2, 0)
    return inputs


def one_hot(labels: Any, classes: int) -> Array:
    """Labels as vectors along a new last axis: all zeros where the label is −1."""
    return np.asarray(labels)[..., None] == np.arange(classes)
