"""Intervals, averages and tests against known values, coverage and false-positive rates."""

import math

import numpy as np
import pytest

from bench.analysis.statistics import (
    MIN_FOR_INTERVAL,
    geometric_mean_ratio,
    interquartile_mean,
    median_interval,
    share_interval,
    sign_test,
    superiority,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0]])
def test_fewer_than_three_values_have_no_interval(values: list[float]) -> None:
    assert median_interval(values) is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_have_no_interval(bad: float) -> None:
    assert median_interval([1.0, 2.0, 3.0, bad]) is None


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8])
def test_interval_of_few_values_is_their_range(count: int) -> None:
    values = generator(count).permutation(count).astype(float).tolist()
    assert median_interval(values) == (0.0, count - 1)


def test_interval_of_equal_values_has_no_width() -> None:
    assert median_interval([2.5] * 6) == (2.5, 2.5)


@pytest.mark.parametrize("count", [6, 7, 9, 10, 12, 20, 35])
def test_interval_holds_the_median_at_least_as_often_as_its_level(count: int) -> None:
    """The k-th smallest and largest of n values hold the true median unless fewer than k values
    lie on one side of it, whatever their distribution."""
    from scipy.stats import binom

    low, high = median_interval(np.arange(count, dtype=float).tolist()) or (0.0, 0.0)
    assert low == count - 1 - high
    assert 1 - 2 * binom.cdf(low, count, 0.5) >= 0.95
    narrower = 1 - 2 * binom.cdf(low + 1, count, 0.5)
    assert narrower < 0.95


def test_no_interval_is_called_95_percent_that_cannot_be() -> None:
    assert 1 - 2.0 ** (1 - MIN_FOR_INTERVAL) >= 0.95 > 1 - 2.0 ** (2 - MIN_FOR_INTERVAL)


def coverage(truth: float, count: int, repeats: int = 400) -> float:
    """How often the interval of lognormal values with median 1 holds `truth`."""
    rng, hits = generator(7), 0
    for _ in range(repeats):
        interval = median_interval(rng.lognormal(0.0, 1.5, size=count).tolist())
        assert interval is not None
        hits += interval[0] <= truth <= interval[1]
    return hits / repeats


def test_interval_covers_the_true_median_and_not_the_mean() -> None:
    assert min(coverage(1.0, count) for count in (6, 10, 20)) >= 0.93
    assert coverage(1.0, 3) < 0.85
    mean = float(np.exp(1.5**2 / 2))
    assert coverage(mean, 20) < 0.5


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 3, 0.0, 1 - 0.025 ** (1 / 3)),
        (3, 3, 0.025 ** (1 / 3), 1.0),
        (5, 10, 0.1870860, 0.8129140),
        (1, 5, 0.0050508, 0.7164179),
    ],
)
def test_interval_of_a_share_is_exact(count: int, total: int, low: float, high: float) -> None:
    assert share_interval(count, total) == pytest.approx((low, high), abs=1e-6)


def test_exact_interval_covers_every_share_at_least_at_its_level() -> None:
    """Summed over all outcomes without simulation; the normal approximation (Wald) fails."""
    from scipy.stats import binom

    def exact_coverage(interval: object, share: float, total: int = 8) -> float:
        outcomes = [(binom.pmf(k, total, share), interval(k, total)) for k in range(total + 1)]  # type: ignore[operator]
        return float(sum(p for p, (low, high) in outcomes if low <= share <= high))

    def wald(count: int, total: int) -> tuple[float, float]:
        share = count / total
        half = 1.96 * (share * (1 - share) / total) ** 0.5
        return share - half, share + half

    shares = np.linspace(0.02, 0.98, 49)
    assert min(exact_coverage(share_interval, share) for share in shares) >= 0.95
    assert min(exact_coverage(wald, share) for share in shares) < 0.5


def test_share_of_nothing_has_no_interval() -> None:
    assert share_interval(0, 0) is None


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        (range(1, 9), 4.5),
        ([1, 2, 3, 1000], 2.5),
        ([5.0], 5.0),
        ([-1000.0, 1.0, 2.0, 3.0, 4.0], 2.0),
    ],
)
def test_interquartile_mean_leaves_out_a_quarter_at_each_end(
    values: list[float], mean: float
) -> None:
    assert interquartile_mean(list(values)) == mean


def test_mean_of_ratios_is_geometric() -> None:
    assert geometric_mean_ratio([2.0, 8.0], [1.0, 1.0]) == pytest.approx(4.0)
    assert geometric_mean_ratio([2.0, 1.0], [1.0, 2.0]) == pytest.approx(1.0)
    assert geometric_mean_ratio([3.0, 5.0], [2.0, 7.0]) == pytest.approx(
        1 / geometric_mean_ratio([2.0, 7.0], [3.0, 5.0])
    )


def test_averages_of_nothing_are_nan_and_unequal_lengths_are_refused() -> None:
    assert np.isnan(interquartile_mean([]))
    assert np.isnan(geometric_mean_ratio([], []))
    with pytest.raises(ValueError, match="2 values cannot be paired with 1"):
        geometric_mean_ratio([1.0, 2.0], [1.0])


def test_superiority_is_the_share_of_smaller_values_with_its_p_value() -> None:
    rng = np.random.default_rng(0)
    unsolved = math.inf
    first = [(1, 0.0), (2, 0.0), (3, 0.0), (4, 0.0)]
    second = [(5, 0.0), (unsolved, 0.1), (unsolved, 0.2)]
    share, p = superiority(first, second, rng)
    assert share == 1 and p == pytest.approx(2 / math.comb(7, 3))
    share, reversed_p = superiority(second, first, rng)
    assert share == 0 and reversed_p == pytest.approx(p)
    share, p = superiority([1, 2, 3], [1, 2, 3], rng)
    assert share == 0.5 and p == 1


def test_rank_sum_test_keeps_its_false_positive_rate() -> None:
    rng = np.random.default_rng(1)
    ps = [superiority(*rng.integers(9, size=(2, 5)).tolist(), rng)[1] for _ in range(300)]
    assert 0 < sum(p <= 0.05 for p in ps) <= 300 * 0.05


def test_sign_test_is_exact() -> None:
    assert sign_test(0, 0) == sign_test(10, 10) == 1
    assert sign_test(0, 6) == sign_test(6, 0) == pytest.approx(2 / 64)
    assert sign_test(2, 0) == pytest.approx(0.5)


def test_sign_test_keeps_its_false_positive_rate() -> None:
    rng = np.random.default_rng(1)
    ps = [sign_test(k, 20 - k) for k in rng.binomial(20, 0.5, 400).tolist()]
    assert 0 < sum(p <= 0.05 for p in ps) <= 400 * 0.05
