"""Launches of the head that are much slower than those of the base that took turns with them.

The signed-rank tests count how often the head is slower, not by how much: a kernel that is ten
times slower in one process of ten, by the order of a set or the place of its memory, passes them.
On a machine of one speed no pair of unchanged code is more than a few per cent apart.
"""

from dataclasses import replace
from math import log1p

import numpy as np

from bench.compare.decision import Decision, Rounds, Rule, Verdict
from bench.compare.reasons import Cause, percent, ratio_of
from bench.spec import Array

MUCH, FAR = 0.2, 0.5
"""Two pairs that differ by the first, or one that differs by the second, are not noise alone."""


def judge_launches(decision: Decision, rounds: Rounds, rule: Rule, rows: int) -> Decision:
    """The decision on a row, which is not green where some launches of the head were much slower,
    and fewer of the base.

    `rounds` holds the log-ratios of the fastest samples, head over base, one for each pair; `rows`
    is the number of rows that share the level. The row has regressed where the sign test tells the
    sides apart; else another round may.
    """
    if not decision.verdict.green:
        return decision
    log_ratios = np.concatenate([np.asarray(ratios, np.float64) for ratios in rounds])
    head, base = (_much_slower(sign * log_ratios) for sign in (1, -1))
    far = (log_ratios > log1p(FAR)).sum() > (log_ratios < -log1p(FAR)).sum()
    if not far and head - base < 2:
        return decision
    reason = (
        f"{head} of {len(log_ratios)} launches were more than {MUCH:.0%} slower, up to "
        f"{percent(ratio_of(log_ratios.max()))}, and {base} as much faster"
    )
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    p = binomtest(head, head + base, alternative="greater").pvalue
    if p <= rule.pass_level(rows):
        return replace(decision, verdict=Verdict.REGRESSED, reason=reason, cause=None, open=False)
    return replace(
        decision,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{reason}: too few to tell a slow kernel from a disturbed machine",
        cause=Cause.SLOW_LAUNCHES,
        open=len(rounds) < rule.rounds,
    )


def _much_slower(log_ratios: Array) -> int:
    return int((log_ratios > log1p(MUCH)).sum())
