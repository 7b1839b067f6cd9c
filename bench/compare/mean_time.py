"""The mean over all calls: it holds the calls that are slow once in a while.

The fastest samples decide on speed, because a disturbance only adds time. They leave out a kernel
that is slow in every tenth call. The mean has such calls, and the disturbances too: so a row is
called slower by its mean only if that is significantly above the change that a pass excludes, and
the next round must confirm it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log1p

import numpy as np

from bench.compare.decision import Decision, Rounds, Rule, Verdict
from bench.compare.paired_tests import pseudomedian, signed_rank
from bench.compare.reasons import Cause, percent, ratio_of


def judge_mean(decision: Decision, rounds: Rounds, rule: Rule, rows: int) -> Decision:
    """The decision on a row by its fastest samples, unless the mean of all its calls is slower.

    `rounds` holds the log-ratios of the means, head over base, one for each pair; `rows` is the
    number of rows that share the level. A row that has regressed, or that lacks a ratio or a
    control, keeps its decision.
    """
    settled = decision.verdict == Verdict.REGRESSED
    if settled or decision.cause in (Cause.CONTROL, Cause.NO_RATIO) or not any(map(len, rounds)):
        return decision
    flags = [_is_slower(rounds[: k + 1], rule, rule.pass_level(rows)) for k in range(len(rounds))]
    if _is_confirmed(flags, rounds, rule):
        reason = f"{_words(rounds)}, and the fastest calls do not show it: some calls are slow"
        return replace(decision, verdict=Verdict.REGRESSED, reason=reason, cause=None, open=False)
    if not (flags[-1] and decision.verdict.green):
        return decision
    is_open = len(rounds) < rule.rounds
    return replace(
        decision,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{_words(rounds)}, which no round has confirmed",
        cause=Cause.UNCONFIRMED,
        open=is_open,
        flagged=is_open,
    )


def _is_confirmed(flags: Sequence[bool], rounds: Rounds, rule: Rule) -> bool:
    """Whether the round after a flag shows the same by itself, at the whole level."""
    if rule.rounds == 1:
        return flags[0]
    confirmed = (_is_slower([later], rule, rule.level) for later in rounds[1:])
    return any(flag and later for flag, later in zip(flags, confirmed, strict=False))


def _is_slower(rounds: Rounds, rule: Rule, level: float) -> bool:
    """Whether the test rejects "at most `excluded` slower". A NaN rejects nothing."""
    return signed_rank(np.concatenate(rounds), log1p(rule.excluded)) <= level


def _words(rounds: Rounds) -> str:
    change = percent(ratio_of(pseudomedian(np.concatenate(rounds))))
    return f"the mean of all calls changed by {change}"
