"""Intervals, averages and tests: pure functions; those that draw take a random generator."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from bench.spec import Array

LEVEL = 0.95
MIN_FOR_RANGE = 3
"""The fewest values whose range is shown."""
MIN_FOR_INTERVAL = 6
"""The fewest values that have a 95% interval of the median: the range of n values holds the true
median with probability 1 − 2^(1 − n), which is 75% for 3, 93.8% for 5 and 96.9% for 6 values."""
MAX_PERMUTATIONS = 20_000
"""The rank-sum test tries all ways to assign the values to two samples, up to this number of ways:
enough for two samples of eight."""


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """How far the median of these values is known: from 6 values the 95% interval of the median,
    for 3 to 5 values only their range; None with fewer, or where a value is not finite.

    The interval lies between two of the values and is exact: whatever the distribution of the
    values, it holds the true median with a probability of at least 95% (binomial order statistics;
    Conover 1999, section 3.2).
    """
    if len(values) < MIN_FOR_RANGE or not np.isfinite(values).all():
        return None
    ordered = sorted(map(float, values))
    outside = _values_outside(len(values)) if len(values) >= MIN_FOR_INTERVAL else 0
    return ordered[outside], ordered[-1 - outside]


@cache
def _values_outside(count: int) -> int:
    """How many of so many values lie beyond each end of the interval of their median."""
    from scipy.special import bdtr  # type: ignore[import-untyped]

    tail = (1 - LEVEL) / 2
    return next(k for k in range(count) if bdtr(k + 1, count, 0.5) >= tail)


@cache
def share_interval(count: int, total: int, level: float = LEVEL) -> tuple[float, float] | None:
    """Exact interval of the share `count` / `total` (Clopper & Pearson 1934); None where `total`
    is zero."""
    from scipy.special import betaincinv

    if total == 0:
        return None
    tail = (1 - level) / 2
    low = betaincinv(count, total - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, total - count, 1 - tail) if count < total else 1.0
    return float(low), float(high)


def sorted_quantile(ordered: Array, share: float) -> float:
    """The quantile of values in rising order, interpolated between neighbours. `numpy.quantile`
    gives the same, and takes ten times as long for the samples of a launch."""
    low, fraction = divmod(share * (len(ordered) - 1), 1)
    below, above = ordered[int(low)], ordered[min(int(low) + 1, len(ordered) - 1)]
    step = above - below
    return float(above - step * (1 - fraction) if fraction >= 0.5 else below + step * fraction)


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean without the lowest and the highest quarter of the values, each rounded down
    (Agarwal et al. 2021, arXiv 2108.13264); NaN without values."""
    cut = len(values) // 4
    middle = np.sort(np.asarray(values, dtype=np.float64))[cut : len(values) - cut]
    return float(middle.mean()) if len(middle) else float("nan")


def geometric_mean_ratio(values: Sequence[float], bases: Sequence[float]) -> float:
    """The geometric mean of value / base over pairs: the only average of ratios that does not
    depend on which side is the base (Fleming & Wallace 1986); NaN without pairs. Raises
    `ValueError` where the lengths differ."""
    if len(values) != len(bases):
        raise ValueError(f"{len(values)} values cannot be paired with {len(bases)} bases")
    logs = np.log(np.asarray(values, dtype=np.float64)) - np.log(np.asarray(bases, np.float64))
    return float(np.exp(logs.mean())) if len(logs) else float("nan")


def superiority(
    a: Sequence[Any], b: Sequence[Any], rng: np.random.Generator
) -> tuple[float, float]:
    """How often a value of `a` is less than a value of `b`, ties counting half (Vargha & Delaney
    2000), and the two-sided p-value of the rank-sum test (Mann & Whitney 1947).

    The test permutes the values over the two samples: in all ways where there are at most
    `MAX_PERMUTATIONS`, otherwise in as many random ones. Any values that have an order will do."""
    from scipy.stats import PermutationMethod, mannwhitneyu  # type: ignore[import-untyped]

    ranks = {value: rank for rank, value in enumerate(sorted({*a, *b}))}
    x, y = ([ranks[value] for value in side] for side in (a, b))
    share = sum((k < j) + (k == j) / 2 for k in x for j in y) / (len(x) * len(y))
    method = PermutationMethod(n_resamples=MAX_PERMUTATIONS, rng=rng)
    return share, float(mannwhitneyu(x, y, method=method).pvalue)


def sign_test(larger: int, smaller: int) -> float:
    """Exact two-sided p-value of the sign test (Arbuthnott 1710): among pairs that differ, each
    side is equally often the larger one. 1 where no pair differs."""
    from scipy.stats import binomtest

    return float(binomtest(larger, larger + smaller).pvalue) if larger + smaller else 1.0
