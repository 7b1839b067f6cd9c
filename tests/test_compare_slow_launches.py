"""A kernel that is slow in some processes only is not green."""

from collections.abc import Sequence
from math import log

import numpy as np
import pytest
from compare_records import RULE

from bench.compare.decision import Decision, Verdict, decide
from bench.compare.reasons import Cause
from bench.compare.slow_launches import judge_launches


def judged(factors: Sequence[float]) -> Decision:
    """The decision on a row whose launches of the head are slower by these factors; the scatter is
    one of a quiet machine."""
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(factors))
    log_ratios = [log(factor) + error for factor, error in zip(factors, noise, strict=True)]
    rounds = [log_ratios[k : k + RULE.pairs] for k in range(0, len(factors), RULE.pairs)]
    return judge_launches(decide({"row": rounds}, RULE)["row"], rounds, RULE, 1)


@pytest.mark.parametrize("factors", [[10.0] + [1.0] * 19, [1.25, 1.25] + [1.0] * 18])
def test_few_slow_launches_are_not_green_and_another_round_may_decide(
    factors: list[float],
) -> None:
    decision = judged(factors)
    assert (decision.verdict, decision.cause) == (Verdict.INCONCLUSIVE, Cause.SLOW_LAUNCHES)
    assert decision.open
    assert judged([*factors, *[1.0] * 10]).verdict == Verdict.INCONCLUSIVE


def test_many_slow_launches_have_regressed() -> None:
    rounds = [[log(3.0)] * 3 + [0.0] * 7] * 3
    decision = judge_launches(Decision(Verdict.PASS, ""), rounds, RULE, 1)
    assert decision.verdict == Verdict.REGRESSED
    assert decision.reason == (
        "9 of 30 launches were more than 20% slower, up to +200.0%, and 0 as much faster"
    )


@pytest.mark.parametrize(
    "factors",
    [
        [1.0] * 10,
        [1.25] + [1.0] * 19,
        [10.0, 0.1] + [1.0] * 18,
        [0.5, 0.5] + [1.0] * 18,
    ],
)
def test_unchanged_code_on_a_disturbed_machine_passes(factors: list[float]) -> None:
    assert judged(factors).verdict == Verdict.PASS
