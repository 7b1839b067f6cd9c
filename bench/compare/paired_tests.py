"""Exact tests and an interval for paired differences, and Holm's correction: pure functions."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache
from math import inf, nan
from typing import TypeVar

import numpy as np

from bench.spec import Array

Name = TypeVar("Name", bound=Hashable)

Test = Callable[[Array, float], float]
"""The one-sided p-value against the hypothesis "the centre of the differences is at most the
bound"."""

EXACT_FLIPS = 16
"""Differences up to which the sign-flip test enumerates all 2ⁿ assignments of signs."""


def signed_rank(differences: Iterable[float], bound: float) -> float:
    """The one-sided p-value of the signed-rank test (Wilcoxon 1945) against "the centre of the
    differences is at most `bound`".

    The distribution is exact. Ties share their mean rank; zeros are ranked, then left out (Pratt
    1959). The p-value is 1 without differences and where one is NaN.
    """
    x = np.asarray(differences, dtype=np.float64) - bound
    if not len(x) or np.isnan(x).any():
        return 1.0
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    doubled_ranks = np.rint(2 * rankdata(np.abs(x))).astype(int)  # mean ranks can end in .5
    statistic = int(doubled_ranks[x > 0].sum())
    null = _rank_sum_probabilities(tuple(sorted(doubled_ranks[x != 0].tolist())))
    return float(min(1.0, null[statistic:].sum()))


@lru_cache(maxsize=64)
def _rank_sum_probabilities(ranks: tuple[int, ...]) -> Array:
    """The probability of each sum of ranks where a fair coin decides whether a rank is included.
    Cached, because most calls have the ranks 1 to n."""
    probabilities = np.zeros(sum(ranks) + 1)
    probabilities[0] = 1
    for rank in ranks:
        probabilities[rank:] += probabilities[:-rank]
        probabilities /= 2
    probabilities.setflags(write=False)
    return probabilities


def sign_flip(differences: Iterable[float], bound: float) -> float:
    """The one-sided p-value of the sign-flip test of the mean (Fisher 1935, section 21): the share
    of all assignments of signs whose sum is at least the observed sum.

    Exact for up to 16 differences. For more, 65,536 assignments are drawn with a fixed seed. The
    p-value is 1 without differences and where one is NaN.
    """
    x = np.asarray(differences, dtype=np.float64) - bound
    n = len(x)
    if not n or np.isnan(x).any():
        return 1.0
    if n <= EXACT_FLIPS:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1, 1], (2**EXACT_FLIPS, n))
        signs[0] = 1
    sums = signs @ np.abs(x)
    return float(np.mean(sums >= x.sum() - 1e-12 * np.abs(x).sum()))


def holm(p_values: Mapping[Name, float], level: float, hypotheses: int | None = None) -> list[Name]:
    """The names of the rejected hypotheses, the smallest p-value first (Holm 1979, Scand. J.
    Statist. 6). The chance of one false rejection among all is at most `level`.

    `hypotheses` is the number of all hypotheses, where some are not among `p_values`.
    """
    remaining, rejected = hypotheses or len(p_values), []
    for name in sorted(p_values, key=lambda name: p_values[name]):
        if p_values[name] > level / remaining:
            break
        rejected.append(name)
        remaining -= 1
    return rejected


def walsh_interval(differences: Iterable[float], level: float = 0.95) -> tuple[float, float]:
    """The confidence interval of the pseudomedian, by inversion of the signed-rank test: the Walsh
    averages without the k smallest and the k largest (Hollander & Wolfe 1999, section 3.4).
    Infinite where there are too few differences for the level."""
    x = np.asarray(differences, dtype=np.float64)
    averages = _walsh_averages(x)
    null = _rank_sum_probabilities(tuple(range(1, len(x) + 1)))
    outside = int(np.searchsorted(np.cumsum(null), (1 - level) / 2, side="right"))
    if outside == 0:
        return -inf, inf
    return float(averages[outside - 1]), float(averages[-outside])


def pseudomedian(differences: Iterable[float]) -> float:
    """The centre that belongs to the signed-rank test and to `walsh_interval`: the median of the
    Walsh averages (Hodges & Lehmann 1963, Ann. Math. Statist. 34). It lies in the interval at
    every level. NaN without differences."""
    averages = _walsh_averages(np.asarray(differences, dtype=np.float64))
    return float(np.median(averages)) if len(averages) else nan


def _walsh_averages(x: Array) -> Array:
    """The mean of each pair of differences, each with itself included, in ascending order."""
    i, j = np.triu_indices(len(x))
    return np.sort((x[i] + x[j]) / 2)
