"""Counts of seeds: how many diverged, how many were solved, and which side solved them first."""

import math
from collections.abc import Iterator, Sequence
from statistics import median

from bench.analysis.statistics import sign_test
from bench.compare.both_sides import BothSides
from bench.compare.decision import Verdict
from bench.compare.finding import Finding
from bench.compare.outcomes import LearningOutcome

DOUBTFUL = 0.2
"""If more seeds are worse than better, the one-sided p-value up to which a row does not pass."""


def count_findings(
    row: str, seeds: Sequence[BothSides[LearningOutcome]], level: float
) -> Iterator[Finding]:
    """The findings on the seeds of one row; `level` is the level of its tests."""
    if seeds:
        yield _diverged(row, [seed.map(lambda outcome: outcome.diverged) for seed in seeds], level)
        yield _solved(row, [seed.map(lambda outcome: outcome.solved) for seed in seeds], level)
        yield _steps_to_solve(row, [seed.map(_steps) for seed in seeds], level)


def _diverged(row: str, diverged: Sequence[BothSides[bool]], level: float) -> Finding:
    """One seed that diverges in the head alone is a regression."""
    worse = sum(seed.head and not seed.base for seed in diverged)
    better = sum(seed.base and not seed.head for seed in diverged)
    verdict = Verdict.REGRESSED if worse else _sign_verdict(worse, better, level)
    reason = f"{worse} seeds diverge only in the head" if worse else ""
    return _count_finding(row, "seeds diverged", verdict, reason, diverged)


def _solved(row: str, solved: Sequence[BothSides[bool]], level: float) -> Finding:
    """An exact test of the seeds that differ (McNemar 1947)."""
    worse = sum(seed.base and not seed.head for seed in solved)
    better = sum(seed.head and not seed.base for seed in solved)
    verdict = _sign_verdict(worse, better, level)
    reason = "" if verdict.green else f"{worse} seeds worse, {better} better"
    return _count_finding(row, "seeds solved", verdict, reason, solved)


def _count_finding(
    row: str, check: str, verdict: Verdict, reason: str, seeds: Sequence[BothSides[bool]]
) -> Finding:
    base, head = sum(seed.base for seed in seeds), sum(seed.head for seed in seeds)
    return Finding(row, check, verdict, reason, base, head, f"of {len(seeds)}")


def _steps_to_solve(row: str, steps: Sequence[BothSides[float]], level: float) -> Finding:
    later = sum(seed.head > seed.base for seed in steps)
    sooner = sum(seed.head < seed.base for seed in steps)
    verdict = _sign_verdict(later, sooner, level)
    medians = BothSides(median(seed.base for seed in steps), median(seed.head for seed in steps))
    base, head = medians.map(lambda middle: None if math.isinf(middle) else middle)
    reason = "" if verdict.green else f"later in {later} seeds, sooner in {sooner}"
    return Finding(row, "steps to solve", verdict, reason, base, head, "steps")


def _steps(outcome: LearningOutcome) -> float:
    """Steps to solve; infinite for a seed that was not solved: later than any that was."""
    return math.inf if outcome.steps_to_solve is None else outcome.steps_to_solve


def _sign_verdict(worse: int, better: int, level: float) -> Verdict:
    """The exact two-sided sign test of the seeds that differ. Inconclusive where more
    seeds look worse, but too few to prove it."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    if not worse + better:
        return Verdict.PASS
    if sign_test(worse, better) <= level:
        return Verdict.REGRESSED if worse > better else Verdict.IMPROVED
    p = binomtest(worse, worse + better, alternative="greater").pvalue
    return Verdict.INCONCLUSIVE if p <= DOUBTFUL else Verdict.PASS
