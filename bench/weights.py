"""Canonical weights: names, shapes and seeded initial values, the same for every backend."""

from math import sqrt

import numpy as np

from bench.spec import Array, ModelSpec

SCHEMES = ("uniform", "orthogonal")


def shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Shape by canonical name: `w (G·H, D)`, `u (G·H, H)`, `b (G·H,)`, `b_hn (H,)` for each
    layer and direction, then `readout.w (O, H × directions)` and `readout.b (O,)`."""
    rows, hidden = spec.gates * spec.hidden, spec.hidden
    result: dict[str, tuple[int, ...]] = {}
    for prefix, inputs in layer_inputs(spec):
        result[prefix + "w"] = (rows, inputs)
        if spec.cell != "feedforward":
            result[prefix + "u"] = (rows, hidden)
        result[prefix + "b"] = (rows,)
        if spec.cell == "gru" and spec.gru == "reset_after":
            result[prefix + "b_hn"] = (hidden,)
    result["readout.w"] = (spec.outputs, hidden * spec.directions)
    result["readout.b"] = (spec.outputs,)
    return result


def layer_inputs(spec: ModelSpec) -> list[tuple[str, int]]:
    """The name prefix and the input width of each layer and direction, in order."""
    directions = ("forward", "backward")[: spec.directions]
    return [
        (
            f"layers.{layer}.{direction}.",
            spec.inputs if layer == 0 else spec.hidden * len(directions),
        )
        for layer in range(spec.layers)
        for direction in directions
    ]


def initial(spec: ModelSpec, rng: np.random.Generator, scheme: str = "uniform") -> dict[str, Array]:
    """Initial weights in float64 rounded through float32, so that both dtypes start equal.

    - `uniform`: every array, biases too, from U(−1/√H, 1/√H), as PyTorch's recurrent layers do;
    - `orthogonal`: `w` and the readout from U(±√(6/(fan in + fan out))) (Glorot & Bengio 2010,
      fan out counted for one gate), each H × H block of `u` a random orthogonal matrix (Saxe,
      McClelland & Ganguli 2014), biases zero but for the lstm's forget gate, which is 1
      (Jozefowicz, Zaremba & Sutskever 2015).
    """
    if scheme not in SCHEMES:
        raise ValueError(f"initialisation must be one of {', '.join(SCHEMES)}, not {scheme!r}")
    draw = _uniform if scheme == "uniform" else _orthogonal
    weights = {name: draw(spec, rng, name, shape) for name, shape in shapes(spec).items()}
    return {name: value.astype(np.float32).astype(spec.dtype) for name, value in weights.items()}


def _uniform(spec: ModelSpec, rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    fan = spec.hidden * (spec.directions if name.startswith("readout") else 1)
    return rng.uniform(-1 / sqrt(fan), 1 / sqrt(fan), shape)


def _orthogonal(
    spec: ModelSpec, rng: np.random.Generator, name: str, shape: tuple[int, ...]
) -> Array:
    kind, hidden = name.rsplit(".", 1)[1], spec.hidden
    if kind == "u":
        blocks = [_orthogonal_matrix(rng, hidden) for _ in range(spec.gates)]
        return np.concatenate(blocks)
    if kind == "w":
        fan_out = shape[0] if name == "readout.w" else hidden
        bound = sqrt(6 / (shape[1] + fan_out))
        return rng.uniform(-bound, bound, shape)
    value = np.zeros(shape)
    if spec.cell == "lstm" and kind == "b" and name != "readout.b":
        value[hidden : 2 * hidden] = 1
    return value


def _orthogonal_matrix(rng: np.random.Generator, size: int) -> Array:
    """Uniform over the orthogonal group: QR of a normal matrix, signs fixed (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return np.asarray(q * np.sign(np.diag(r)))
