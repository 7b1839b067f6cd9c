"""The decision on speed is a pure function of log-ratios, and it rejects what it must."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, log1p, nan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.compare.decision import (
    Rule,
    Verdict,
    decide,
    log_ratios,
)
from bench.compare.reasons import Cause

RULE = Rule()
MIRROR = {Verdict.REGRESSED: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.REGRESSED}


def stream(
    shift: float, noise: float = 0.02, rounds: int = 2, seed: int = 0, pairs: int = 10
) -> list[list[float]]:
    """Log-ratios of a row whose head is slower by `shift`, with heavy-tailed noise."""
    rng = np.random.default_rng(seed)
    return [list(log1p(shift) + noise * rng.standard_t(4, pairs)) for _ in range(rounds)]


def verdict(rounds: Sequence[Sequence[float]], **options: object) -> Verdict:
    return decide({"row": rounds}, RULE, **options)["row"].verdict


# ---- one row ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (0.0, Verdict.PASS),
        (0.02, Verdict.PASS),
        (0.10, Verdict.REGRESSED),
        (0.5, Verdict.REGRESSED),
        (-0.02, Verdict.PASS),
        (-0.10, Verdict.IMPROVED),
    ],
)
def test_change_beyond_the_tolerated_one_is_named(shift: float, expected: Verdict) -> None:
    for seed in range(10):
        assert verdict(stream(shift, noise=0.01, seed=seed)) == expected


def test_unchanged_row_passes_after_one_round_and_a_flag_waits_for_the_next() -> None:
    unchanged, slower = stream(0, rounds=1), stream(0.2, rounds=1)
    decisions = decide({"unchanged": unchanged, "slower": slower}, RULE)
    assert (decisions["unchanged"].verdict, decisions["unchanged"].open) == (Verdict.PASS, False)
    assert (decisions["slower"].verdict, decisions["slower"].open) == (Verdict.INCONCLUSIVE, True)
    assert "not confirmed yet" in decisions["slower"].reason


def test_flag_that_the_next_round_does_not_confirm_is_no_regression() -> None:
    rule = Rule(tolerated=0.03, least=0.05, excluded=0.1)
    rounds = [*stream(0.2, rounds=1), *stream(0, rounds=2, seed=1)]
    assert decide({"row": rounds[:2]}, rule)["row"].open
    assert decide({"row": rounds}, rule)["row"].verdict == Verdict.PASS


def test_machine_that_is_too_noisy_gives_no_verdict() -> None:
    decision = decide({"row": stream(0.1, noise=0.5, rounds=3)}, RULE)["row"]
    assert decision.verdict == Verdict.INCONCLUSIVE
    assert decision.cause == Cause.NOISE
    assert not decision.open
    assert decide({"row": stream(0.1, noise=0.5, rounds=2)}, RULE)["row"].open


def test_significance_without_the_least_effect_is_no_regression() -> None:
    for seed in range(10):
        assert verdict(stream(0.035, noise=0.001, seed=seed)) == Verdict.PASS


def test_slowdown_between_least_and_excluded_is_found_if_the_noise_is_small() -> None:
    assert verdict(stream(0.07, noise=0.002)) == Verdict.REGRESSED


def test_one_outlier_of_ten_pairs_costs_a_round_at_most() -> None:
    for shift, outlier, expected in ((0, 5, Verdict.PASS), (0.2, -5, Verdict.REGRESSED)):
        rounds = stream(shift, rounds=3)
        rounds[0][3] += outlier
        assert decide({"row": rounds[:1]}, RULE)["row"].open
        assert verdict(rounds) == expected


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.2])
def test_log_ratio_that_is_not_finite_is_never_green(value: float, shift: float) -> None:
    rounds = stream(shift)
    rounds[0][0] = value
    decisions = decide({"row": rounds, "sound": stream(0)}, RULE)
    assert decisions["row"].verdict == Verdict.INCONCLUSIVE
    assert decisions["row"].reason == "a time is not a positive number"
    assert decisions["sound"].verdict == Verdict.PASS


@pytest.mark.parametrize("time", [0.0, -1.0, nan, inf])
def test_time_that_is_not_a_positive_number_gives_no_ratio(time: float) -> None:
    assert np.isnan(log_ratios([time, 1.0], [1.0, 1.0])).tolist() == [True, False]
    assert np.isnan(log_ratios([1.0, 1.0], [1.0, time])).tolist() == [False, True]


def test_too_few_pairs_are_never_green() -> None:
    assert verdict([]) == Verdict.NOT_COMPARABLE
    assert verdict([[]]) == Verdict.NOT_COMPARABLE
    assert verdict([[0.0]]) == Verdict.INCONCLUSIVE
    assert verdict([[0.5] * 4]) == Verdict.INCONCLUSIVE
    assert decide({}, RULE) == {}


def test_launches_without_a_partner_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 launches of the head, 2 of the base"):
        log_ratios([1.0, 1.0], [1.0, 1.0, 1.0])


# ---- the control -----------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.2, -0.2])
@pytest.mark.parametrize("row", [-0.3, 0.0, 0.3])
def test_nothing_is_concluded_where_the_control_changed(shift: float, row: float) -> None:
    decision = decide({"row": stream(row)}, RULE, control=stream(shift, rounds=1))["row"]
    assert decision.verdict == Verdict.INCONCLUSIVE
    assert "the machine itself changed: the control changed by" in decision.reason


def test_control_without_a_proven_change_leaves_the_verdict_as_it_is() -> None:
    for control in (stream(0), stream(0.02), stream(0.1, noise=0.8), ()):
        assert verdict(stream(0.2), control=control) == Verdict.REGRESSED
    assert verdict(stream(0.2), control=[[nan] * 10]) == Verdict.INCONCLUSIVE


# ---- many rows -------------------------------------------------------------------------------


def test_none_of_many_unchanged_rows_regresses() -> None:
    rng = np.random.default_rng(0)
    rule = RULE.for_rows(200)
    noise = {
        str(k): [list(0.02 * rng.standard_t(3, rule.pairs)) for _ in range(3)] for k in range(200)
    }
    slower = {name: [[0.2 + d for d in r] for r in rounds] for name, rounds in noise.items()}
    for rows, expected in ((noise, Verdict.PASS), (slower, Verdict.REGRESSED)):
        verdicts = [decision.verdict for decision in decide(rows, rule).values()]
        assert verdicts.count(expected) > 190
        assert set(verdicts) <= {expected, Verdict.INCONCLUSIVE}


def test_more_rows_take_more_pairs_for_a_flag() -> None:
    assert RULE.for_rows(3).pairs == 10
    many = RULE.for_rows(1000)
    assert many.pairs == 16
    for rule, expected in ((many, Verdict.REGRESSED), (RULE, Verdict.INCONCLUSIVE)):
        rows = {str(k): stream(0, seed=k, pairs=rule.pairs) for k in range(999)}
        rows["slower"] = stream(0.2, pairs=rule.pairs)
        assert decide(rows, rule)["slower"].verdict == expected


def test_flag_is_corrected_for_rows_that_were_decided_in_an_earlier_round() -> None:
    slow = stream(0.2, rounds=2)
    few = {"slow": slow, **{str(k): stream(0, rounds=1, seed=k) for k in range(3)}}
    many = {"slow": slow, **{str(k): stream(0, rounds=1, seed=k) for k in range(300)}}
    assert decide(few, RULE)["slow"].verdict == Verdict.REGRESSED
    assert decide(many, replace(RULE, pairs=10))["slow"].verdict == Verdict.INCONCLUSIVE


# ---- properties ------------------------------------------------------------------------------

ratios = st.lists(st.floats(-2, 2), min_size=10, max_size=10)
shifted = st.tuples(st.floats(-0.4, 0.4), ratios).map(lambda d: [d[0] + 0.1 * x for x in d[1]])
round_lists = st.lists(shifted, min_size=1, max_size=3)


def times(rounds: list[list[float]]) -> list[tuple[list[float], list[float]]]:
    """Seconds of both sides, round by round, that have these log-ratios."""
    rng = np.random.default_rng(0)
    bases = [list(rng.uniform(0.5, 2, len(ratios))) for ratios in rounds]
    heads = [
        [b * float(np.exp(d)) for b, d in zip(base, ratios, strict=True)]
        for base, ratios in zip(bases, rounds, strict=True)
    ]
    return list(zip(bases, heads, strict=True))


@given(round_lists, st.sampled_from([2.0**-10, 0.25, 8.0]))
@settings(deadline=None)
def test_scaling_both_sides_changes_nothing(rounds: list[list[float]], factor: float) -> None:
    sides = times(rounds)
    scaled = [([factor * b for b in base], [factor * h for h in head]) for base, head in sides]
    before, after = (
        decide({"row": [np.round(log_ratios(*pair), 9).tolist() for pair in pairs]}, RULE)
        for pairs in (sides, scaled)
    )
    assert before == after


@given(round_lists)
@settings(deadline=None)
def test_swapping_sides_mirrors_the_verdict(rounds: list[list[float]]) -> None:
    original, mirrored = verdict(rounds), verdict([[-d for d in ratios] for ratios in rounds])
    assert mirrored == MIRROR.get(original, original)


@given(round_lists, st.integers(0, 2), st.integers(0, 9), st.floats(0, 3))
@settings(deadline=None, max_examples=300)
def test_slower_pair_never_turns_red_into_green(
    rounds: list[list[float]], index: int, pair: int, increase: float
) -> None:
    slower = [list(ratios) for ratios in rounds]
    slower[index % len(rounds)][pair] += increase
    before, after = verdict(rounds), verdict(slower)
    assert not (before == Verdict.REGRESSED and after.green)


red = st.lists(
    st.lists(st.floats(0.15, 0.6), min_size=10, max_size=10), min_size=2, max_size=3
).map(lambda rounds: [[*ratios[:9], -ratios[9]] for ratios in rounds])


@given(red, st.floats(0, 3))
@settings(deadline=None)
def test_additional_slow_pair_never_turns_red_into_green(
    rounds: list[list[float]], extra: float
) -> None:
    assume(verdict(rounds) == Verdict.REGRESSED)
    for k in range(len(rounds)):
        longer = [[*r, max(*r, extra)] if j == k else r for j, r in enumerate(rounds)]
        assert not verdict(longer).green


@pytest.mark.parametrize(
    "wrong", [{"least": 0.01}, {"excluded": 0.03}, {"level": 0.0}, {"pairs": 0}, {"rounds": 0}]
)
def test_rule_that_contradicts_itself_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Rule(**wrong)  # type: ignore[arg-type]
