"""The ratio of two sides from paired samples; pure functions of numbers and a generator."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.spec import Array

CONFIDENCE = 0.95
RESAMPLES = 2000
FEWEST_PAIRS = 3
"""Fewer pairs have no interval."""
NO_TARGET = "—"
"""The target and the verdict of a ratio that is only reported."""
LOSS_TOLERANCE = 1e-4
"""The relative difference of losses up to which two sides train the same model."""


class Ratio(NamedTuple):
    """A ratio with the bounds of its interval; they are None where there are too few pairs."""

    value: float
    low: float | None
    high: float | None


def paired_ratio(logs: Sequence[Array], rng: np.random.Generator) -> Ratio:
    """The exponential of the median log-ratio, with its interval; `logs` has an array for each
    launch.

    The interval is a percentile bootstrap in two stages (Davison & Hinkley 1997, section 3.8):
    launches are drawn with replacement, then pairs within each launch, since the pairs of a launch
    are not independent. With one launch the interval leaves out the differences between launches.
    """
    pooled = np.concatenate(logs)
    if len(pooled) < FEWEST_PAIRS:
        return Ratio(float(np.exp(np.median(pooled))), None, None)
    sizes = np.array([len(launch) for launch in logs])
    table = np.full((len(logs), sizes.max()), np.nan)
    for number, launch in enumerate(logs):
        table[number, : len(launch)] = launch
    drawn = rng.integers(0, len(logs), (RESAMPLES, len(logs)))
    within = rng.random((*drawn.shape, sizes.max())) * sizes[drawn][..., None]
    values = table[drawn[..., None], within.astype(int)]
    values[np.arange(sizes.max()) >= sizes[drawn][..., None]] = np.nan
    medians = np.nanmedian(values.reshape(RESAMPLES, -1), axis=1)
    low, high = np.quantile(medians, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Ratio(*(float(np.exp(v)) for v in (np.median(pooled), low, high)))


def verdict(ratio: Ratio, target: float | None, at_least: bool = False) -> str:
    """`PASS` where the whole interval meets the target, `MISSED` where all of it misses, and
    `unclear` where it has both, or where there is no interval."""
    if target is None:
        return NO_TARGET
    if ratio.low is None or ratio.high is None:
        return "unclear"
    ends = (ratio.low, ratio.high)
    meets = [end >= target if at_least else end <= target for end in ends]
    if all(meets):
        return "PASS"
    return "unclear" if any(meets) else "MISSED"


def loss_error(tested: Sequence[float], base: Sequence[float]) -> float:
    """The largest relative difference of two sequences of losses; 0 without losses, infinite where
    a loss is not finite."""
    pairs = np.array(list(zip(tested, base, strict=False)), float).reshape(-1, 2)
    if not np.isfinite(pairs).all():
        return float("inf")
    return float((np.abs(pairs[:, 0] - pairs[:, 1]) / np.abs(pairs[:, 1])).max(initial=0.0))
