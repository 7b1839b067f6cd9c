"""Canonical weights: names, shapes and seeded initial values, the same for every backend."""

from math import isfinite

import numpy as np

from bench.initialisation import DRAWS, SCHEMES, ArrayToFill, gate_rows, scheme_limit
from bench.spec import CELLS, Array, ModelSpec

__all__ = ["SCHEMES", "initial_weights", "layer_inputs", "scheme_limit", "weight_shapes"]


def weight_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """The shape of every array by canonical name.

    Each layer and direction has `w (G·H, D)`, `u (G·H, H)`, `b (G·H,)` and, for a reset_after gru,
    `b_hn (H,)`; a decoder's names begin with `decoder.`. Then follow `readout.w
    (O, H × directions)` and `readout.b (O,)`.
    """
    cell, variant = CELLS[spec.cell], spec.gru if CELLS[spec.cell].variants else ""
    shapes: dict[str, tuple[int, ...]] = {}
    for prefix, inputs in layer_inputs(spec):
        layer = cell.shapes(inputs, spec.hidden, variant)
        shapes |= {prefix + name: shape for name, shape in layer.items()}
    shapes["readout.w"] = (spec.outputs, spec.hidden * spec.directions)
    shapes["readout.b"] = (spec.outputs,)
    return shapes


def layer_inputs(spec: ModelSpec) -> list[tuple[str, int]]:
    """The name prefix and the input width of each layer and direction, in order."""
    directions = ("forward", "backward")[: spec.directions]
    encoder = [
        (
            f"layers.{layer}.{direction}.",
            spec.inputs if layer == 0 else spec.hidden * len(directions),
        )
        for layer in range(spec.layers)
        for direction in directions
    ]
    decoder = layer_inputs(spec.decoding) if spec.decoder else []
    return encoder + [(f"decoder.{prefix}", inputs) for prefix, inputs in decoder]


def initial_weights(
    spec: ModelSpec,
    rng: np.random.Generator,
    scheme: str = "uniform",
    *,
    forget_bias: float | None = None,
    time: int | None = None,
) -> dict[str, Array]:
    """Initial weights by canonical name, drawn as a scheme of `bench.initialisation` says.

    They are drawn in float64 and rounded through float32, so that all dtypes start from the same
    numbers. `forget_bias` replaces the bias of the lstm's forget gate and is ignored for other
    cells; `time` is the length of the sequences, which `chrono` needs. Raises ValueError for an
    unknown scheme, a scheme that does not apply to the cell (`scheme_limit`) and a missing `time`.
    """
    _check(spec, scheme, forget_bias, time)
    inputs = {**dict(layer_inputs(spec)), "readout.": spec.hidden * spec.directions}
    weights = {}
    for name, shape in weight_shapes(spec).items():
        layer = name[: name.rindex(".") + 1]
        array = ArrayToFill(spec, name, shape, inputs[layer], time)
        weights[name] = DRAWS[scheme](array, rng)
        if forget_bias is not None and array.gate_bias and spec.cell == "lstm":
            weights[name][gate_rows(spec, 1)] = forget_bias
    return {name: value.astype(np.float32).astype(spec.storage) for name, value in weights.items()}


initial = initial_weights
"""The name by which checks of other repositories call `initial_weights`."""


def _check(spec: ModelSpec, scheme: str, forget_bias: float | None, time: int | None) -> None:
    if scheme not in SCHEMES:
        raise ValueError(f"initialisation must be one of {', '.join(SCHEMES)}, not {scheme!r}")
    if limit := scheme_limit(scheme, spec.cell):
        raise ValueError(limit)
    if forget_bias is not None and not isfinite(forget_bias):
        raise ValueError(f"forget_bias must be a finite number, not {forget_bias!r}")
    if scheme == "chrono" and (time is None or time < 3):
        raise ValueError(f"chrono needs sequences of at least 3 steps, not time={time!r}")
