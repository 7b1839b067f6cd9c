"""Decide for each row whether the head is slower than its base: a pure function of numbers.

Launches, which are fresh processes, come in pairs, one of each side, that take turns; a pair gives
one log-ratio, head over base. Iterations inside a process are not independent and never count as if
they were. Pairs come in rounds; each round but the last is an interim
analysis that can flag a row:

- A row is *flagged* where the one-sided signed-rank test of all its log-ratios so far rejects "at
  most 2% slower" and their pseudomedian is at least +4%. The test is corrected for all rows of the
  comparison (Holm 1979), and its level is shared by the rounds that can flag.
- The next round alone *confirms* a flag: the same test at the whole level, and the same least
  pseudomedian. Only then the row has regressed. An improvement is the mirror image.
- A row *passes* where the same test rejects both a change of +7% and its mirror image, −6.5% (two
  one-sided tests, Schuirmann 1987). A pass therefore says which change it excludes. The rows of the
  comparison and its rounds share the level.
- Any other row is *inconclusive*: another round may decide, or the machine is too noisy.
- If the control changed between the sides, every row is inconclusive: neither side can change that
  kernel, so the machine itself changed.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, inf, log, log1p, log2
from typing import TypeVar

import numpy as np

from bench.compare.paired_tests import Test, holm, pseudomedian, signed_rank
from bench.compare.reasons import Cause, Figures, Flag, percent, ratio_of, undecided_reason
from bench.spec import Array

Key = TypeVar("Key", bound=Hashable)

Rounds = Sequence[Sequence[float]]
"""The log-ratios of a row's pairs, head over base, round by round."""


class Verdict(StrEnum):
    """What a comparison says about one check of one row."""

    PASS = "pass"
    REGRESSED = "regressed"
    IMPROVED = "improved"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    MISSING = "missing"
    FAILED = "failed"

    @property
    def green(self) -> bool:
        """Whether a merge may go ahead."""
        return self in (Verdict.PASS, Verdict.IMPROVED)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What counts as a change, and how much evidence a verdict takes.

    `tolerated`, `least` and `excluded` are ratios of head over base, minus 1: the change that the
    test must reject, the least pseudomedian that is flagged, and the change that a pass excludes.
    """

    tolerated: float = 0.02
    least: float = 0.04
    excluded: float = 0.07
    level: float = 0.05
    pairs: int = 10
    """Pairs in a round."""
    rounds: int = 3
    """The most rounds. A rule with one round flags without a confirmation."""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerated <= self.least < self.excluded:
            raise ValueError("tolerated, least and excluded must grow in this order")
        if not 0 < self.level < 1 or self.pairs < 1 or self.rounds < 1:
            raise ValueError("the level must lie between 0 and 1, pairs and rounds be at least 1")

    def pass_level(self, rows: int) -> float:
        """The level of each of the two one-sided tests of a pass: rounds and rows share it, so that
        the chance of any false pass in a comparison is at most `level`."""
        return self.level / (self.rounds * max(1, rows))

    def confidence(self, rows: int) -> float:
        """The confidence of the interval that lies within ±`excluded` exactly where the tests of a
        pass reject."""
        return 1 - 2 * self.pass_level(rows)

    @property
    def interim_analyses(self) -> int:
        """The number of rounds after which a row can be flagged. The last round only confirms."""
        return max(1, self.rounds - 1)

    def for_rows(self, rows: int) -> "Rule":
        """This rule with enough pairs in a round to flag or to pass one of this number of rows: n
        pairs give no p-value below 2⁻ⁿ."""
        needed = ceil(-log2(self.pass_level(rows)))
        return replace(self, pairs=max(self.pairs, needed))


@dataclass(frozen=True)
class Decision:
    """The verdict on one row, with its figures: None without pairs, or where one is not finite."""

    verdict: Verdict
    reason: str
    figures: Figures | None = None
    p: float | None = None
    """The smaller of the two one-sided p-values, uncorrected."""
    cause: Cause | None = None
    """Why the verdict is inconclusive."""
    open: bool = False
    """Whether another round could decide."""
    flagged: bool = False
    """Whether that round is to confirm a flag."""


def decide(
    rows: Mapping[Key, Rounds], rule: Rule, control: Rounds = (), test: Test = signed_rank
) -> dict[Key, Decision]:
    """The decision on each row. `rows` holds all rows of the comparison, because Holm's correction
    counts all of them; a row that was decided has no later rounds."""
    flags = [_flags(rows, rule, rounds, test) for rounds in range(1, rule.interim_analyses + 1)]
    machine_change = _machine_change(control, rule)
    decisions = {}
    for name, rounds in rows.items():
        row_flags = [flag.get(name, 0) for flag in flags]
        decisions[name] = _decision(rounds, row_flags, rule, machine_change, test, len(rows))
    return decisions


def _flags(rows: Mapping[Key, Rounds], rule: Rule, count: int, test: Test) -> dict[Key, int]:
    """The interim analysis after `count` rounds: 1 for a row that is flagged as slower, −1 for one
    flagged as faster, else 0."""
    pooled = {
        name: _pooled(rounds[:count]) for name, rounds in rows.items() if len(rounds) >= count
    }
    flags = dict.fromkeys(pooled, 0)
    level = rule.level / rule.interim_analyses
    for sign in (1, -1):
        p_values = {name: test(sign * d, log1p(rule.tolerated)) for name, d in pooled.items()}
        for name in holm(p_values, level, len(rows)):
            if sign * pseudomedian(pooled[name]) >= log1p(rule.least):
                flags[name] = sign
    return flags


def _decision(
    rounds: Rounds, flags: Sequence[int], rule: Rule, machine_change: str, test: Test, rows: int
) -> Decision:
    pooled = _pooled(rounds)
    if not len(pooled):
        return Decision(Verdict.NOT_COMPARABLE, "no pair of launches")
    if not np.isfinite(pooled).all():
        reason = "a time is not a positive number"
        return Decision(Verdict.INCONCLUSIVE, reason, cause=Cause.NO_RATIO)
    figures = Figures.from_log_ratios(pooled.tolist(), rule.confidence(rows))
    p = min(test(sign * pooled, log1p(rule.tolerated)) for sign in (1, -1))
    undecided = Decision(Verdict.INCONCLUSIVE, machine_change, figures, p, Cause.CONTROL)
    if machine_change:
        return undecided
    if sign := _confirmed_sign(rounds, flags, rule, test):
        verdict = Verdict.REGRESSED if sign > 0 else Verdict.IMPROVED
        return replace(undecided, verdict=verdict, cause=None)
    flagged = rule.rounds > 1 and len(rounds) <= len(flags) and flags[len(rounds) - 1] != 0
    if not flagged and _excludes_change(pooled, rule, test, rows):
        return replace(undecided, verdict=Verdict.PASS, cause=None)
    cause, reason = undecided_reason(figures, rule, _last_flag(rounds, flags), rows)
    is_open = len(rounds) < rule.rounds
    return replace(undecided, cause=cause, reason=reason, open=is_open, flagged=flagged)


def _last_flag(rounds: Rounds, flags: Sequence[int]) -> Flag | None:
    """The last round after which the row was flagged."""
    for index in reversed(range(min(len(rounds), len(flags)))):
        if flags[index]:
            next_round = rounds[index + 1] if index + 1 < len(rounds) else None
            return Flag(
                round=index + 1,
                ratio=ratio_of(pseudomedian(_pooled(rounds[: index + 1]))),
                next_ratio=ratio_of(pseudomedian(next_round)) if next_round else None,
            )
    return None


def _confirmed_sign(rounds: Rounds, flags: Sequence[int], rule: Rule, test: Test) -> int:
    """1 where the round after a flag confirms that the head is slower, −1 where it confirms that
    the head is faster, else 0."""
    if rule.rounds == 1:
        return flags[0]
    for flag, next_round in zip(flags, rounds[1:], strict=False):
        d = flag * np.asarray(next_round, dtype=np.float64)
        significant = flag and test(d, log1p(rule.tolerated)) <= rule.level
        if significant and pseudomedian(d) >= log1p(rule.least):
            return flag
    return 0


def _excludes_change(d: Array, rule: Rule, test: Test, rows: int) -> bool:
    """Whether a change of `rule.excluded` is rejected in both directions. Every round tests this
    of every row, so they share the level."""
    bound = log1p(rule.excluded)
    return all(test(-sign * d, -bound) <= rule.pass_level(rows) for sign in (1, -1))


def _machine_change(control: Rounds, rule: Rule) -> str:
    """How the control changed, in words; empty where it did not. The control is one row, and no
    later round confirms it."""
    d = _pooled(control)
    if not len(d):
        return ""
    if not np.isfinite(d).all():
        return "a time of the control is not a positive number"
    for sign in (1, -1):
        significant = signed_rank(sign * d, log1p(rule.tolerated)) <= rule.level
        if significant and sign * pseudomedian(d) >= log1p(rule.least):
            change = percent(ratio_of(pseudomedian(d)))
            return f"the machine itself changed: the control changed by {change}"
    return ""


def log_ratios(base: Sequence[float], head: Sequence[float]) -> list[float]:
    """The log-ratio of each pair of launches, head over base, from seconds. NaN, which decides
    nothing, where a time is not a positive number."""
    if len(base) != len(head):
        raise ValueError(f"{len(head)} launches of the head, {len(base)} of the base: no pairs")
    return [
        log(h) - log(b) if 0 < b < inf and 0 < h < inf else float("nan")
        for b, h in zip(base, head, strict=True)
    ]


def _pooled(rounds: Rounds) -> Array:
    return np.asarray([d for ratios in rounds for d in ratios], dtype=np.float64)
