"""The allowance for the optimiser: how far apart a few updates may bring two runs.

The gate compares weights after five steps with the distance that the optimiser can make of
gradients that pass the gate. Once weights differ the gradients differ more, in a long rnn much
more; so before each update they may be `rounding.FACTOR` times as far off as the gradients of a
reference that took the same steps in the dtype.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench.gate.difference import relative_error
from bench.gate.rounding import UNIT
from bench.probes.training import norm
from bench.spec import Array, Params, Training

Distances = Mapping[str, float]
"""How far gradients may be apart, by parameter name, relative to max|gradient|."""


def gradient_distances(
    first: Distances, exact: Sequence[Params], rounded: Sequence[Params], factor: float
) -> list[dict[str, float]]:
    """How far gradients may be off before each update.

    At least as far as before the `first` one, and up to `factor` times as far as the gradients of
    a reference run in the dtype (`rounded`) are from those in float64 (`exact`).
    """
    return [
        {
            name: max(distance, factor * relative_error(rounded_step[name], exact_step[name]))
            for name, distance in first.items()
        }
        for rounded_step, exact_step in zip(rounded, exact, strict=True)
    ]


def weight_drift(
    trajectory: Sequence[Params], distances: Sequence[Distances], training: Training
) -> list[dict[str, Array]]:
    """How far the weights of two runs may be apart after each update, element by element.

    `trajectory[k]` has the gradients before update k; the gradients of the other run are within
    `distances[k][name] · max|g|` of them, and their clipping factors differ accordingly
    (`_clip_factor_error`).

    Plain gradient descent adds up the distances. Under Adam an element whose gradient is smaller
    than its error may take a step of full length in either direction, while one of a usual size
    hardly differs: one tolerance for both would be too narrow for the first or useless for the
    second. m̂ is a weighted mean of the gradients and √v̂ a weighted quadratic mean, so neither
    moves by more than δ, the distance of the gradients. It follows for u = m̂ / (√v̂ + ε) that
    |Δu| ≤ δ (1 + |u|) / (max(√v̂ − δ, 0) + ε), and |u| itself is bounded (`_longest_step`).
    """
    drift_of = _adam_drift if training.optimiser == "adam" else _descent_drift
    limit = training.clip_norm
    clipped = [_clip(gradients, limit) for gradients in trajectory]
    clip_errors = [
        _clip_factor_error(gradients, by_name, limit)
        for gradients, by_name in zip(trajectory, distances, strict=True)
    ]

    def absolute_distances(name: str) -> list[Array]:
        steps = zip(clipped, distances, clip_errors, strict=True)
        return [
            by_name[name] * np.max(np.abs(g[name]), initial=0.0) + clip_error * np.abs(g[name])
            for g, by_name, clip_error in steps
        ]

    drifts = {
        name: drift_of([g[name] for g in clipped], absolute_distances(name), training)
        for name in distances[0]
    }
    return [dict(zip(drifts, step, strict=True)) for step in zip(*drifts.values(), strict=True)]


def loss_drift(trajectory: Sequence[Params], drifts: Sequence[Params]) -> Array:
    """How far the losses before each update may be apart, to first order, for two runs whose
    weights are `drifts[k]` apart after update k: Σ |gradient · drift| over all weights, as if no
    two of them cancelled."""
    later = [
        sum(float(np.sum(np.abs(gradients[name]) * drift)) for name, drift in by_name.items())
        for gradients, by_name in zip(trajectory[1:], drifts, strict=False)
    ]
    return np.array([0.0, *later])


def update_tolerance(start: Array, end: Array, training: Training) -> float:
    """How far weights that were trained from `start` to `end` may be off by the optimiser's own
    rounding, relative to max|end|. The conformance suite uses it."""
    return relative_error(start, end) * _correction_error(training)


def _correction_error(training: Training) -> float:
    """The share of a step that Adam's bias correction costs where 1 − β₂ᵗ is computed in float32,
    as Optax does: 2⁻²³ / (1 − β₂)."""
    return UNIT / (1 - training.beta2) if training.optimiser == "adam" else 0.0


def _clip(gradients: Params, limit: float | None) -> dict[str, Array]:
    size = norm(*gradients.values()) if limit else None
    scale = min(1.0, limit / size) if limit and size else 1.0
    return {name: g * scale for name, g in gradients.items()}


def _clip_factor_error(gradients: Params, distances: Distances, limit: float | None) -> float:
    """The relative error of the factor that clips all gradients, to first order: the error of
    the norm where every element is off in its own direction. 0 where nothing is clipped."""
    size = norm(*gradients.values())
    if not limit or not size:
        return 0.0
    distance = sum(
        distances[name] * float(np.max(np.abs(g)) * np.sum(np.abs(g)))
        for name, g in gradients.items()
    )
    share = distance / size**2
    return share if size * (1 + share) > limit else 0.0


def _descent_drift(
    gradients: Sequence[Array], distances: Sequence[Array], training: Training
) -> Iterator[Array]:
    total = np.zeros_like(gradients[0])
    for distance in distances:
        total = total + distance
        yield training.learning_rate * total


def _adam_drift(
    gradients: Sequence[Array], distances: Sequence[Array], training: Training
) -> Iterator[Array]:
    """See `weight_drift` for the bound."""
    beta1, beta2 = training.beta1, training.beta2
    mean, square = np.zeros_like(gradients[0]), np.zeros_like(gradients[0])
    total, delta = np.zeros_like(mean), np.zeros_like(mean)
    for count, (g, distance) in enumerate(zip(gradients, distances, strict=True), 1):
        delta = np.maximum(delta, distance)
        mean += (1 - beta1) * (g - mean)
        square += (1 - beta2) * (g * g - square)
        root = np.sqrt(square / (1 - beta2**count))
        u = np.abs(mean / (1 - beta1**count) / (root + training.epsilon))
        bound = delta * (1 + u) / (np.maximum(root - delta, 0) + training.epsilon)
        bound = np.minimum(bound, u + _longest_step(count, training))
        total = total + bound + _correction_error(training) * u
        yield training.learning_rate * total


def _longest_step(count: int, training: Training) -> float:
    """The largest |m̂| / √v̂ that any gradients can give: √Σ a²/b with a and b the weights of the
    two means (Cauchy & Schwarz)."""
    ages = np.arange(count)
    beta1, beta2 = training.beta1, training.beta2
    a = (1 - beta1) * beta1**ages / (1 - beta1**count)
    b = (1 - beta2) * beta2**ages / (1 - beta2**count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sqrt(np.nansum(a * a / b)))
