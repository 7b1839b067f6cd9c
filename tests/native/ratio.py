"""The ratio of two sides from paired samples: pure functions of numbers and a generator."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.spec import Array

LEVEL = 0.95
RESAMPLES = 2000
LEAST = 3
"""Pairs below which no interval is given."""
AGREE = 1e-4


class Ratio(NamedTuple):
    value: float
    low: float | None
    high: float | None


def paired_ratio(logs: Sequence[Array], rng: np.random.Generator) -> Ratio:
    """exp of the median of log-ratios, an array of them for each launch, and its interval.

    The interval is a percentile bootstrap in two stages (Davison & Hinkley 1997, section 3.8):
    launches are drawn with replacement, then pairs within each, since the pairs of a launch are
    not independent of each other. With one launch it knows nothing of what differs between them.
    """
    pooled = np.concatenate(logs)
    if len(pooled) < LEAST:
        return Ratio(float(np.exp(np.median(pooled))), None, None)
    sizes = np.array([len(launch) for launch in logs])
    table = np.full((len(logs), sizes.max()), np.nan)
    for row, launch in zip(table, logs, strict=True):
        row[: len(launch)] = launch
    drawn = rng.integers(0, len(logs), (RESAMPLES, len(logs)))
    within = rng.random((*drawn.shape, sizes.max())) * sizes[drawn][..., None]
    values = table[drawn[..., None], within.astype(int)]
    values[np.arange(sizes.max()) >= sizes[drawn][..., None]] = np.nan
    medians = np.nanmedian(values.reshape(RESAMPLES, -1), axis=1)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Ratio(*(float(np.exp(v)) for v in (np.median(pooled), low, high)))


def verdict(ratio: Ratio, target: float | None, at_least: bool = False) -> str:
    """`PASS` where the ratio meets the target, `MISSED` where all of its interval does not, and
    between them `unclear`."""
    if target is None:
        return "—"
    if ratio.value >= target if at_least else ratio.value <= target:
        return "PASS"
    best = ratio.high if at_least else ratio.low
    reached = best is not None and (best >= target if at_least else best <= target)
    return "unclear" if reached else "MISSED"


def loss_error(ours: Sequence[float], base: Sequence[float]) -> float:
    """The largest relative difference of losses; 0 of none, infinite where one is not finite."""
    pairs = np.array(list(zip(ours, base, strict=False)), float).reshape(-1, 2)
    if not np.isfinite(pairs).all():
        return float("inf")
    return float((np.abs(pairs[:, 0] - pairs[:, 1]) / np.abs(pairs[:, 1])).max(initial=0.0))
