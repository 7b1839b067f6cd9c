"""The exact tests, Holm's correction and the interval agree with other implementations."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.compare.paired_tests import holm, pseudomedian, sign_flip, signed_rank, walsh_interval

distinct_values = st.lists(
    st.floats(-1, 1).filter(lambda v: abs(v) > 1e-6), min_size=1, max_size=25, unique=True
)


@given(distinct_values)
@settings(deadline=None)
def test_signed_rank_test_agrees_with_scipy(d: list[float]) -> None:
    assume(len({abs(v) for v in d}) == len(d))
    expected = stats.wilcoxon(d, alternative="greater", method="exact").pvalue
    assert signed_rank(d, 0.0) == pytest.approx(expected, rel=1e-9)


def test_signed_rank_test_is_exact_with_ties_and_zeros() -> None:
    d, rng = np.array([0.0, 0.1, 0.1, -0.1, 0.3, 0.3, -0.2]), np.random.default_rng(0)
    ranks = stats.rankdata(np.abs(d))
    signs = rng.choice([-1, 1], (200_000, len(d)))
    drawn = ((signs > 0) * ranks)[:, d != 0].sum(axis=1)
    assert signed_rank(d, 0.0) == pytest.approx((drawn >= ranks[d > 0].sum()).mean(), abs=0.01)
    assert signed_rank(np.zeros(10), 0.0) == 1.0
    assert signed_rank([], 0.0) == 1.0
    assert signed_rank([nan, 9.0], 0.0) == 1.0


def test_signed_rank_test_keeps_its_level_without_an_effect() -> None:
    rng = np.random.default_rng(1)
    ps = np.array([signed_rank(rng.standard_t(3, 10), 0.0) for _ in range(2000)])
    for level in (0.05, 0.01):
        assert stats.binomtest(int((ps <= level).sum()), 2000, level, "greater").pvalue > 1e-3


@given(st.lists(st.integers(-64, 64).map(lambda k: k / 64), min_size=2, max_size=9))
@settings(deadline=None, max_examples=30)
def test_sign_flip_test_agrees_with_scipy(d: list[float]) -> None:
    """For values whose sums are exact, because SciPy counts sums that nearly tie as ties."""
    expected = stats.permutation_test(
        (np.array(d),), np.mean, permutation_type="samples", alternative="greater"
    ).pvalue
    assert sign_flip(d, 0.0) == pytest.approx(expected, abs=1e-9)


def test_sign_flips_of_more_than_sixteen_differences_are_drawn_the_same_each_time() -> None:
    d = np.random.default_rng(0).standard_normal(20) + 0.5
    normal = stats.norm.sf(d.sum() / np.sqrt((d * d).sum()))
    assert sign_flip(d, 0.0) == sign_flip(d, 0.0) == pytest.approx(normal, abs=0.01)
    assert sign_flip([], 0.0) == sign_flip([nan], 0.0) == 1.0


def test_holm_rejects_in_order_and_stops_at_the_first_that_fails() -> None:
    p_values = {"a": 0.001, "b": 0.02, "c": 0.03, "d": 0.2}
    assert holm(p_values, 0.05) == ["a"]
    assert holm(p_values, 0.1) == ["a", "b", "c"]
    assert holm(p_values, 0.05, hypotheses=60) == []
    for level in (0.01, 0.05, 0.06, 0.1, 0.3):
        rejected = _statsmodels_holm(list(p_values.values()), level)
        assert holm(p_values, level) == list(np.array(list(p_values))[rejected])


def _statsmodels_holm(p_values: list[float], level: float) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, level, method="holm")[0])


@given(distinct_values, st.floats(0.5, 0.99))
@settings(deadline=None)
def test_pseudomedian_lies_in_the_interval_and_is_no_median(d: list[float], level: float) -> None:
    low, high = walsh_interval(d, level)
    assert low <= pseudomedian(d) <= high
    assert pseudomedian([0.0, 0.0, 3.0]) == pytest.approx(0.75)
    assert np.isnan(pseudomedian([]))


def test_interval_covers_the_pseudomedian_as_often_as_it_promises() -> None:
    rng = np.random.default_rng(2)
    inside = [
        low <= 0.1 <= high
        for low, high in (walsh_interval(0.1 + rng.standard_t(3, 10)) for _ in range(1000))
    ]
    assert stats.binomtest(sum(inside), 1000, 0.95).pvalue > 1e-3
    assert walsh_interval([0.1] * 5) == (-inf, inf)
    assert walsh_interval([0.1] * 6) == (0.1, 0.1)
