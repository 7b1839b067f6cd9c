"""How far arrays may be from the reference in float64: what arithmetic in a dtype can do.

- float64 must come within 1e-9.
- float32 is held to the reference's own runs in float32: a backend may be ten times as far from the
  truth as the farthest of them, or `floor`, whichever is more. Below that, rounding alone differs
  with the order of summation, and losses and gradients are sums over all steps of all sequences.
- On a GPU float32 may be `ON_GPU` times as far off as on a CPU: cuDNN's tanh is less exact. TF32 is
  much farther off, and rejected.
- bfloat16 is held to what rounding costs: the reference runs in float32 on weights and inputs
  rounded to bfloat16, and a backend, which rounds every state besides, may be ten times as far, or
  five units in the last place (5 · 2⁻⁸), gradients ten.
- The reference runs `RUNS` times, on weights that differ by less than the dtype tells apart
  (`rounded`): a gradient of one element where one run came near the truth by luck would allow
  nothing to anybody.
- In float32 a weight's gradient may be `IN_ORDER` times as far off as that of a reference that
  adds up in order: one term after another, of wide matrices one step after another, forwards or
  backwards. Where a sequence stands still so do its terms, the sum is rounded the same way each
  time, and what is lost grows as n, not √n.
- What a few updates made of the weights is held to what the optimiser makes of gradients that
  pass (`drift`). Once weights differ the gradients differ more, in a long rnn much more: before
  each update they may be ten times as far off as those of a reference that went the same way in
  the dtype. Of Adam 2⁻²³ / (1 − β₂) of each step is allowed besides: that is what an optimiser
  loses which computes its 1 − β₂ᵗ in float32, as Optax does.
- The losses on the way may be as far off as weights within this make them (`carried_losses`).

The error of an array is max|a − b| / max|b|, b being the truth.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.probes.training import norm
from bench.spec import Array, Params, Training

FLOAT64 = 1e-9
FLOORS: Mapping[str, float] = {"float64": FLOAT64, "float32": 1e-5, "bfloat16": 5 * 2**-8}
FACTOR = 10.0
RUNS = 3
ON_GPU = 5.0
IN_ORDER = 2.0
"""Twice, since a library's terms may be others and be rounded otherwise, such as those of a loss
that is divided after the sum."""
UNIT = 2**-23
"""The distance of 1 from the next number of float32."""


@dataclass(frozen=True)
class Difference:
    """One array's distance from the reference, and how far it may be."""

    array: str
    error: float
    tolerance: float

    @property
    def accepted(self) -> bool:
        return self.error <= self.tolerance and math.isfinite(self.error)  # False for NaN

    def __str__(self) -> str:
        if math.isnan(self.error):
            return f"{self.array}: a number of it, or of the reference's, is not finite"
        return f"{self.array} differs by {self.error:.2g} (tolerance {self.tolerance:.2g})"


def difference(
    name: str, array: Array | None, truth: Array, tolerance: float, drift: Any = 0.0
) -> Difference:
    """The element that is farthest beyond what it may differ by: `tolerance · max|truth|`, and
    `drift` besides, a number or an array of them. Both are given relative to max|truth|; the error
    is infinite where shapes differ, and NaN where a value is."""
    if array is None or np.shape(array) != np.shape(truth):
        return Difference(name, math.inf, tolerance)
    distance = np.abs(np.asarray(array, dtype=np.float64) - truth)
    scale = float(np.max(np.abs(truth)))
    allowed = np.broadcast_to(tolerance * scale + drift, distance.shape)
    if scale == 0:
        return Difference(name, 0.0 if np.all(distance <= allowed) else math.inf, tolerance)
    worst = np.unravel_index(np.argmax(distance / allowed), distance.shape)
    return Difference(name, float(distance[worst]) / scale, float(allowed[worst]) / scale)


def relative_error(array: Array | None, truth: Array) -> float:
    """max|array − truth| / max|truth|; infinite where shapes differ, NaN where values are."""
    return difference("", array, truth, 1.0).error


def slack(dtype: str, device: str) -> float:
    """What tolerances are multiplied by on a device."""
    return ON_GPU if dtype == "float32" and device.startswith("cuda") else 1.0


def allowed(dtype: str, runs: Iterable[Array], truth: Array, terms: int = 0) -> float:
    """How far an array may be of which the reference made `runs`. `terms` is how many a loss or
    a gradient sums up, all steps of all sequences; 0 for what is no such sum."""
    return max(floor(dtype, terms), *(FACTOR * relative_error(run, truth) for run in runs))


def floor(dtype: str, terms: int = 0) -> float:
    """The least tolerance. Added one after another in float32, n terms lose about √n units in the
    last place (Higham & Mary 2019, SIAM J. Sci. Comput. 41(5)); in bfloat16 what comes back is
    rounded on the way there and on the way back."""
    summed = UNIT * math.sqrt(terms) if dtype == "float32" else 0.0
    return max(summed, FLOORS[dtype] * (2 if terms and dtype == "bfloat16" else 1))


def rounded(dtype: str, weights: Params, x: Array) -> Iterator[tuple[Params, Array]]:
    """The weights and inputs on which the reference runs in float32 to see what rounding to
    `dtype` costs: as they are, then twice with every weight moved at random by at most half a
    unit in the last place."""
    unit = 2**-8 if dtype == "bfloat16" else UNIT
    for run in range(RUNS):
        moves = np.random.default_rng(run)
        near = {
            name: value * (1 + bool(run) * unit * moves.uniform(-0.5, 0.5, value.shape))
            for name, value in weights.items()
        }
        if dtype == "bfloat16":
            yield {name: to_bfloat16(value) for name, value in near.items()}, to_bfloat16(x)
        else:
            yield near, x


def to_bfloat16(array: Array) -> Array:
    """float32 values rounded to the nearest bfloat16, ties to even; finite values only."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def movement(start: Array, end: Array, training: Training) -> float:
    """What the optimiser may lose of the way from `start` to `end`, relative to max|end|."""
    return relative_error(start, end) * _lost(training)


def _lost(training: Training) -> float:
    """The share of a step that Adam's bias correction in float32 costs."""
    return UNIT / (1 - training.beta2) if training.optimiser == "adam" else 0.0


def drift(
    path: Sequence[Params], near: Sequence[Mapping[str, float]], training: Training
) -> list[dict[str, Array]]:
    """How far the optimiser may have carried two runs apart after each update, element by element,
    whose gradients stay within `near[k][name] · max|g|` of each other before update k, and which
    clip them by factors that differ accordingly (`_spread`). `path` has the gradients by name
    before each update.

    Plain gradient descent adds up the distances. Of Adam an element whose gradient is smaller than
    its own error takes a step of full length in either direction, one of a usual size hardly
    differs: one tolerance for both would be too narrow for the former or useless for the latter.
    m̂ is a weighted mean of the gradients and √v̂ a weighted quadratic mean, so neither moves by
    more than δ, the distance of the gradients. For u = m̂ / (√v̂ + ε) follows
    |Δu| ≤ δ (1 + |u|) / (max(√v̂ − δ, 0) + ε), and |u| has a bound as such (`_longest`).
    """
    carried = _by_adam if training.optimiser == "adam" else _by_descent
    limit = training.clip_norm
    clipped = [_clipped(gradients, limit) for gradients in path]
    spread = [_spread(gradients, own, limit) for gradients, own in zip(path, near, strict=True)]
    by_name = {
        name: carried(
            [g[name] for g in clipped],
            [
                step[name] * np.max(np.abs(g[name]), initial=0.0) + more * np.abs(g[name])
                for g, step, more in zip(clipped, near, spread, strict=True)
            ],
            training,
        )
        for name in near[0]
    }
    return [dict(zip(by_name, after, strict=True)) for after in zip(*by_name.values(), strict=True)]


def _spread(gradients: Params, near: Mapping[str, float], limit: float | None) -> float:
    """How far the factor that clips all gradients may be off, to first order and relative to it:
    as far as the norm is where every element is off in its own direction."""
    size = norm(*gradients.values())
    if not limit or not size:
        return 0.0
    apart = sum(
        near[name] * float(np.max(np.abs(g)) * np.sum(np.abs(g))) for name, g in gradients.items()
    )
    share = apart / size**2
    return share if size * (1 + share) > limit else 0.0


def carried_losses(path: Sequence[Params], drifted: Sequence[Mapping[str, Array]]) -> Array:
    """How far the losses before each update may be apart, to first order, of two runs whose weights
    are `drifted[k]` apart after update k: what each weight makes of it, all of them against each
    other at the worst."""
    apart = [
        sum(float(np.sum(np.abs(slopes[name]) * own)) for name, own in distances.items())
        for slopes, distances in zip(path[1:], drifted, strict=False)
    ]
    return np.array([0.0, *apart])


def along(
    first: Mapping[str, float],
    truth: Sequence[Params],
    strayed: Sequence[Params],
    factor: float = FACTOR,
) -> list[dict[str, float]]:
    """How far gradients may be off before each update: as far as before the first, or `factor`
    times as far as those of a reference that strayed by rounding."""
    return [
        {
            name: max(near, factor * relative_error(own[name], true[name]))
            for name, near in first.items()
        }
        for own, true in zip(strayed, truth, strict=True)
    ]


def _by_descent(gradients: Sequence[Array], apart: Sequence[Array], t: Training) -> Iterator[Array]:
    distance = np.zeros_like(gradients[0])
    for own in apart:
        distance = distance + own
        yield t.learning_rate * distance


def _by_adam(gradients: Sequence[Array], apart: Sequence[Array], t: Training) -> Iterator[Array]:
    mean, square = np.zeros_like(gradients[0]), np.zeros_like(gradients[0])
    total, delta = np.zeros_like(mean), np.zeros_like(mean)
    for count, (g, own) in enumerate(zip(gradients, apart, strict=True), 1):
        delta = np.maximum(delta, own)
        mean += (1 - t.beta1) * (g - mean)
        square += (1 - t.beta2) * (g * g - square)
        root = np.sqrt(square / (1 - t.beta2**count))
        u = np.abs(mean / (1 - t.beta1**count) / (root + t.epsilon))
        bound = delta * (1 + u) / (np.maximum(root - delta, 0) + t.epsilon)
        total = total + np.minimum(bound, u + _longest(count, t)) + _lost(t) * u
        yield t.learning_rate * total


def _clipped(gradients: Params, limit: float | None) -> dict[str, Array]:
    size = norm(*gradients.values()) if limit else None
    scale = min(1.0, limit / size) if limit and size else 1.0
    return {name: g * scale for name, g in gradients.items()}


def _longest(count: int, t: Training) -> float:
    """The largest |m̂| / √v̂ of any gradients: √Σ a²/b with a and b the weights of the two means
    (Cauchy & Schwarz)."""
    ages = np.arange(count)
    a = (1 - t.beta1) * t.beta1**ages / (1 - t.beta1**count)
    b = (1 - t.beta2) * t.beta2**ages / (1 - t.beta2**count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sqrt(np.nansum(a * a / b)))
