"""The guard's decision is a pure function, and what it must reject it rejects."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, log1p, nan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.compare.decision import (
    Rule,
    Verdict,
    decide,
    holm,
    log_ratios,
    sign_flip,
    signed_rank,
    walsh_interval,
)

RULE = Rule()
MIRROR = {Verdict.REGRESSED: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.REGRESSED}


def stream(
    shift: float, noise: float = 0.02, rounds: int = 2, seed: int = 0, pairs: int = 10
) -> list[list[float]]:
    """Log-ratios of a cell whose head is slower by `shift`, with heavy tails."""
    rng = np.random.default_rng(seed)
    return [list(log1p(shift) + noise * rng.standard_t(4, pairs)) for _ in range(rounds)]


def verdict(rounds: Sequence[Sequence[float]], **more: object) -> Verdict:
    return decide({"cell": rounds}, RULE, **more)["cell"].verdict


# one cell


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        (0.0, Verdict.PASS),
        (0.02, Verdict.PASS),
        (0.10, Verdict.REGRESSED),
        (0.5, Verdict.REGRESSED),
        (-0.02, Verdict.PASS),
        (-0.10, Verdict.IMPROVED),
    ],
)
def test_a_change_beyond_the_tolerated_is_named_by_its_side(shift: float, said: Verdict) -> None:
    for seed in range(10):
        assert verdict(stream(shift, noise=0.01, seed=seed)) == said


def test_no_change_passes_after_one_round_and_a_flag_waits_for_the_next() -> None:
    still, slower = stream(0, rounds=1), stream(0.2, rounds=1)
    found = decide({"still": still, "slower": slower}, RULE)
    assert (found["still"].verdict, found["still"].open) == (Verdict.PASS, False)
    assert (found["slower"].verdict, found["slower"].open) == (Verdict.INCONCLUSIVE, True)
    assert found["slower"].reason == "not confirmed yet"


def test_a_flag_that_the_next_round_does_not_confirm_is_no_regression() -> None:
    once = [*stream(0.2, rounds=1), *stream(0, rounds=2, seed=1)]
    assert decide({"cell": once[:2]}, RULE)["cell"].open
    assert verdict(once) == Verdict.PASS


def test_where_the_machine_is_too_noisy_to_say_nothing_is_said() -> None:
    found = decide({"cell": stream(0.1, noise=0.5, rounds=3)}, RULE)["cell"]
    assert found.verdict == Verdict.INCONCLUSIVE
    assert "±10%" in found.reason
    assert not found.open
    assert decide({"cell": stream(0.1, noise=0.5, rounds=2)}, RULE)["cell"].open


def test_significance_without_the_least_effect_is_no_regression() -> None:
    for seed in range(10):
        assert verdict(stream(0.04, noise=0.001, seed=seed)) == Verdict.PASS


def test_a_slowdown_between_least_and_excluded_is_found_where_the_noise_allows() -> None:
    assert verdict(stream(0.07, noise=0.002)) == Verdict.REGRESSED


def test_one_outlier_of_ten_pairs_costs_a_round_at_most() -> None:
    for shift, outlier, said in ((0, 5, Verdict.PASS), (0.2, -5, Verdict.REGRESSED)):
        rounds = stream(shift, rounds=3)
        rounds[0][3] += outlier
        assert decide({"cell": rounds[:1]}, RULE)["cell"].open
        assert verdict(rounds) == said


@pytest.mark.parametrize("wrong", [nan, inf, -inf])
@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.2])
def test_a_time_that_is_no_number_is_never_green(wrong: float, shift: float) -> None:
    rounds = stream(shift)
    rounds[0][0] = wrong
    found = decide({"cell": rounds, "sound": stream(0)}, RULE)
    assert found["cell"].verdict == Verdict.INCONCLUSIVE
    assert found["cell"].reason == "a time is not a positive number"
    assert found["sound"].verdict == Verdict.PASS


@pytest.mark.parametrize("time", [0.0, -1.0, nan, inf])
def test_a_clock_that_jumps_gives_no_ratio(time: float) -> None:
    assert np.isnan(log_ratios([time, 1.0], [1.0, 1.0])).tolist() == [True, False]
    assert np.isnan(log_ratios([1.0, 1.0], [1.0, time])).tolist() == [False, True]


def test_nothing_measured_is_never_green() -> None:
    assert verdict([]) == Verdict.NOT_COMPARABLE
    assert verdict([[]]) == Verdict.NOT_COMPARABLE
    assert verdict([[0.0]]) == Verdict.INCONCLUSIVE
    assert verdict([[0.5] * 4]) == Verdict.INCONCLUSIVE
    assert decide({}, RULE) == {}


def test_launches_without_a_partner_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 launches of the head, 2 of the base"):
        log_ratios([1.0, 1.0], [1.0, 1.0, 1.0])


# the control


@pytest.mark.parametrize("shift", [0.2, -0.2])
@pytest.mark.parametrize("cell", [-0.3, 0.0, 0.3])
def test_where_the_control_moved_nothing_is_concluded(shift: float, cell: float) -> None:
    found = decide({"cell": stream(cell)}, RULE, control=stream(shift, rounds=1))["cell"]
    assert found.verdict == Verdict.INCONCLUSIVE
    assert "the machine itself changed: the control by" in found.reason


def test_a_control_that_stood_still_or_was_too_noisy_to_say_changes_nothing() -> None:
    for control in (stream(0), stream(0.02), stream(0.1, noise=0.8), ()):
        assert verdict(stream(0.2), control=control) == Verdict.REGRESSED
    assert verdict(stream(0.2), control=[[nan] * 10]) == Verdict.INCONCLUSIVE


# many cells


def test_of_many_cells_without_a_change_none_regresses() -> None:
    rng = np.random.default_rng(0)
    rule = RULE.for_cells(200)
    noise = {
        str(k): [list(0.02 * rng.standard_t(3, rule.pairs)) for _ in range(3)] for k in range(200)
    }
    slower = {name: [[0.2 + d for d in one] for one in rounds] for name, rounds in noise.items()}
    for cells, said in ((noise, Verdict.PASS), (slower, Verdict.REGRESSED)):
        found = [d.verdict for d in decide(cells, rule).values()]
        assert found.count(said) > 190
        assert set(found) <= {said, Verdict.INCONCLUSIVE}


def test_the_more_cells_the_more_pairs_a_flag_takes() -> None:
    assert RULE.for_cells(3).pairs == 10
    many = RULE.for_cells(1000)
    assert many.pairs == 16
    for rule, found in ((many, Verdict.REGRESSED), (RULE, Verdict.INCONCLUSIVE)):
        cells = {str(k): stream(0, seed=k, pairs=rule.pairs) for k in range(999)}
        cells["slower"] = stream(0.2, pairs=rule.pairs)
        assert decide(cells, rule)["slower"].verdict == found


def test_a_flag_depends_on_the_cells_of_the_first_round_even_where_few_go_on() -> None:
    slow = stream(0.2, rounds=2)
    few = {"slow": slow, **{str(k): stream(0, rounds=1, seed=k) for k in range(3)}}
    many = {"slow": slow, **{str(k): stream(0, rounds=1, seed=k) for k in range(300)}}
    assert decide(few, RULE)["slow"].verdict == Verdict.REGRESSED
    assert decide(many, replace(RULE, pairs=10))["slow"].verdict == Verdict.INCONCLUSIVE


# properties

ratios = st.lists(st.floats(-2, 2), min_size=10, max_size=10)
shifted = st.tuples(st.floats(-0.4, 0.4), ratios).map(lambda d: [d[0] + 0.1 * x for x in d[1]])
cells = st.lists(shifted, min_size=1, max_size=3)


def times(rounds: list[list[float]]) -> list[tuple[list[float], list[float]]]:
    """Seconds of both sides whose log-ratios are these."""
    rng = np.random.default_rng(0)
    bases = [list(rng.uniform(0.5, 2, len(one))) for one in rounds]
    heads = [
        [b * float(np.exp(d)) for b, d in zip(base, one, strict=True)]
        for base, one in zip(bases, rounds, strict=True)
    ]
    return list(zip(bases, heads, strict=True))


def judged(sides: list[tuple[list[float], list[float]]]) -> Verdict:
    return verdict([log_ratios(base, head) for base, head in sides])


@given(cells, st.sampled_from([2.0**-10, 0.25, 8.0]))
@settings(deadline=None)
def test_scaling_both_sides_changes_nothing(rounds: list[list[float]], factor: float) -> None:
    sides = times(rounds)
    scaled = [([factor * b for b in base], [factor * h for h in head]) for base, head in sides]
    found = [
        decide({"cell": [np.round(log_ratios(*pair), 9).tolist() for pair in pairs]}, RULE)
        for pairs in (sides, scaled)
    ]
    assert found[0] == found[1]


@given(cells)
@settings(deadline=None)
def test_swapping_sides_mirrors_the_verdict(rounds: list[list[float]]) -> None:
    said, mirrored = verdict(rounds), verdict([[-d for d in one] for one in rounds])
    assert mirrored == MIRROR.get(said, said)


@given(cells, st.integers(0, 2), st.integers(0, 9), st.floats(0, 3))
@settings(deadline=None, max_examples=300)
def test_a_slower_sample_never_turns_red_into_green(
    rounds: list[list[float]], which: int, pair: int, more: float
) -> None:
    slower = [list(one) for one in rounds]
    slower[which % len(rounds)][pair] += more
    before, after = (decide({"cell": r}, RULE)["cell"].verdict for r in (rounds, slower))
    assert not (before == Verdict.REGRESSED and after.green)


red = st.lists(
    st.lists(st.floats(0.15, 0.6), min_size=10, max_size=10), min_size=2, max_size=3
).map(lambda rounds: [[*one[:9], -one[9]] for one in rounds])


@given(red, st.floats(0, 3))
@settings(deadline=None)
def test_another_pair_that_is_slow_never_turns_red_into_green(
    rounds: list[list[float]], extra: float
) -> None:
    assume(verdict(rounds) == Verdict.REGRESSED)
    for k in range(len(rounds)):
        longer = [[*one, max(*one, extra)] if j == k else one for j, one in enumerate(rounds)]
        assert not verdict(longer).green


# the parts


@given(
    st.lists(st.floats(-1, 1).filter(lambda v: abs(v) > 1e-6), min_size=1, max_size=25, unique=True)
)
@settings(deadline=None)
def test_the_signed_rank_test_is_that_of_scipy(d: list[float]) -> None:
    assume(len({abs(v) for v in d}) == len(d))
    theirs = stats.wilcoxon(d, alternative="greater", method="exact").pvalue
    assert signed_rank(d, 0.0) == pytest.approx(theirs, rel=1e-9)


def test_ties_and_zeros_have_their_exact_distribution() -> None:
    d, rng = np.array([0.0, 0.1, 0.1, -0.1, 0.3, 0.3, -0.2]), np.random.default_rng(0)
    ranks = stats.rankdata(np.abs(d))
    signs = rng.choice([-1, 1], (200_000, len(d)))
    drawn = ((signs > 0) * ranks)[:, d != 0].sum(axis=1)
    assert signed_rank(d, 0.0) == pytest.approx((drawn >= ranks[d > 0].sum()).mean(), abs=0.01)
    assert signed_rank(np.zeros(10), 0.0) == 1.0
    assert signed_rank([], 0.0) == 1.0
    assert signed_rank([nan, 9.0], 0.0) == 1.0


def test_the_p_value_keeps_its_promise_where_there_is_nothing_to_find() -> None:
    rng = np.random.default_rng(1)
    ps = np.array([signed_rank(rng.standard_t(3, 10), 0.0) for _ in range(2000)])
    for level in (0.05, 0.01):
        assert stats.binomtest(int((ps <= level).sum()), 2000, level, "greater").pvalue > 1e-3


@given(st.lists(st.integers(-64, 64).map(lambda k: k / 64), min_size=2, max_size=9))
@settings(deadline=None, max_examples=30)
def test_the_sign_flip_test_is_that_of_scipy(d: list[float]) -> None:
    """Of numbers whose sums are exact: SciPy takes sums that nearly tie for ties."""
    theirs = stats.permutation_test(
        (np.array(d),), np.mean, permutation_type="samples", alternative="greater"
    ).pvalue
    assert sign_flip(d, 0.0) == pytest.approx(theirs, abs=1e-9)


def test_beyond_sixteen_differences_the_flips_are_drawn_alike_each_time() -> None:
    d = np.random.default_rng(0).standard_normal(20) + 0.5
    exact = stats.norm.sf(d.sum() / np.sqrt((d * d).sum()))
    assert sign_flip(d, 0.0) == sign_flip(d, 0.0) == pytest.approx(exact, abs=0.01)
    assert sign_flip([], 0.0) == sign_flip([nan], 0.0) == 1.0


def test_holm_rejects_in_order_and_stops_at_the_first_that_fails() -> None:
    ps = {"a": 0.001, "b": 0.02, "c": 0.03, "d": 0.2}
    assert holm(ps, 0.05) == ["a"]
    assert holm(ps, 0.1) == ["a", "b", "c"]
    assert holm(ps, 0.05, cells=60) == []
    theirs = {
        level: list(np.array(list(ps))[_statsmodels(list(ps.values()), level)])
        for level in (0.01, 0.05, 0.06, 0.1, 0.3)
    }
    assert {level: holm(ps, level) for level in theirs} == theirs


def _statsmodels(ps: list[float], level: float) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(ps, level, method="holm")[0])


def test_the_interval_of_the_pseudomedian_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    inside = [
        low <= 0.1 <= high
        for low, high in (walsh_interval(0.1 + rng.standard_t(3, 10)) for _ in range(1000))
    ]
    assert stats.binomtest(sum(inside), 1000, 0.95).pvalue > 1e-3
    assert walsh_interval([0.1] * 5) == (-inf, inf)
    assert walsh_interval([0.1] * 6) == (0.1, 0.1)


@pytest.mark.parametrize(
    "wrong", [{"least": 0.01}, {"excluded": 0.05}, {"level": 0.0}, {"pairs": 0}, {"rounds": 0}]
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Rule(**wrong)  # type: ignore[arg-type]
