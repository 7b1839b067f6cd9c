"""Intervals and averages: pure functions of numbers, and of a generator where chance enters."""

from collections.abc import Sequence
from typing import Any

import numpy as np

LEVEL = 0.95
MIN_FOR_INTERVAL = 3
"""Values below which no interval of a median is given."""
RESAMPLES = 2000
SHARED_OUT = 20_000
"""Ways to share the values of two samples out: all of two times eight."""


def median_interval(
    values: Sequence[float], rng: np.random.Generator, level: float = LEVEL
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the median (Efron & Tibshirani 1993, chapter 13); None
    with fewer than three values or where one is not finite.

    Not BCa: its acceleration comes from the jackknife, which is inconsistent for a median (the
    same, section 11.6). The interval never leaves the range of the values, and the range of n
    values holds the true median with probability 1 − 2^(1 − n) only: 75% for 3, 94% for 5, and
    95% is within reach from 6 values on.
    """
    from scipy.stats import bootstrap  # type: ignore[import-untyped]

    if len(values) < MIN_FOR_INTERVAL or not np.isfinite(values).all():
        return None
    found = bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.median,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return float(found.low), float(found.high)


def share_interval(count: int, total: int, level: float = LEVEL) -> tuple[float, float] | None:
    """Exact interval of a share, `count` of `total` (Clopper & Pearson 1934); None of none."""
    from scipy.stats import binomtest

    if total == 0:
        return None
    found = binomtest(count, total).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of what is left when a quarter of the values, rounded down, is cut off at each
    end (Agarwal et al. 2021, arXiv 2108.13264); NaN of none."""
    cut = len(values) // 4
    kept = np.sort(np.asarray(values, dtype=np.float64))[cut : len(values) - cut]
    return float(kept.mean()) if len(kept) else float("nan")


def geometric_mean_ratio(values: Sequence[float], bases: Sequence[float]) -> float:
    """The geometric mean of value / base over pairs, the one average of ratios that does not
    depend on which side is the base (Fleming & Wallace 1986); NaN of none."""
    if len(values) != len(bases):
        raise ValueError(f"{len(values)} values cannot be paired with {len(bases)} bases")
    logs = np.log(np.asarray(values, dtype=np.float64)) - np.log(np.asarray(bases, np.float64))
    return float(np.exp(logs.mean())) if len(logs) else float("nan")


def superiority(
    a: Sequence[Any], b: Sequence[Any], rng: np.random.Generator
) -> tuple[float, float]:
    """How often one of `a` comes before one of `b`, a tie counting half (Vargha & Delaney 2000),
    and the two-sided p of the rank-sum test of Mann & Whitney 1947, over all ways to share the
    values out where these are few, else over as many random ones. Values of any kind that has an
    order."""
    from scipy.stats import PermutationMethod, mannwhitneyu

    place = {value: k for k, value in enumerate(sorted({*a, *b}))}
    x, y = ([place[value] for value in side] for side in (a, b))
    share = sum((k < j) + (k == j) / 2 for k in x for j in y) / (len(x) * len(y))
    ways = PermutationMethod(n_resamples=SHARED_OUT, rng=rng)
    return share, float(mannwhitneyu(x, y, method=ways).pvalue)


def sign_test(larger: int, smaller: int) -> float:
    """Exact two-sided p of the hypothesis that of pairs which differ neither side is the larger
    one more often (Arbuthnott 1710); 1 of none."""
    from scipy.stats import binomtest

    return float(binomtest(larger, larger + smaller).pvalue) if larger + smaller else 1.0
