"""Learning and gradients: compared over the seeds that both sides ran."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.compare.both_sides import BothSides, in_common
from bench.compare.decision import Rule, Verdict, decide, log_ratios
from bench.compare.evidence import Asked, BySeed, MatchedRow
from bench.compare.finding import Finding, decision_finding, outcome_finding, require_enough
from bench.compare.outcomes import AnyOutcome, GradientOutcome, LearningOutcome
from bench.compare.paired_tests import sign_flip
from bench.compare.reasons import Cause
from bench.compare.seed_counts import count_findings

LEARNING = Rule(tolerated=0.02, least=0.05, excluded=0.25, pairs=8, rounds=1)
"""For losses, scores and gradient norms over seeds. One round: the same seeds give the same curves,
so that a second round would confirm nothing."""
EITHER_DIRECTION = replace(LEARNING, level=LEARNING.level / 2)
"""For gradient norms, where a decrease is a change like an increase."""
CHANCE_SHARE = 0.05
"""The share of the chance score that is added to both scores before their ratio is taken."""

DifferencesByRow = Mapping[str, Sequence[float]]
"""Log-ratios of head over base, one for each seed."""


def learning_findings(rows: Sequence[MatchedRow], asked: Asked) -> list[Finding]:
    """Findings on single seeds, row by row; then on losses, scores and gradient norms."""
    learning = {row.label: _measured_seeds(row.learning) for row in rows}
    gradients = {row.label: _measured_seeds(row.gradients) for row in rows}
    findings: list[Finding] = []
    for row in rows:
        findings += _lost_seeds(row.label, "learning", row.learning, asked)
        findings += count_findings(row.label, learning[row.label], LEARNING.level / len(rows))
        findings += _lost_seeds(row.label, "gradients", row.gradients, asked)
        findings += _nonfinite_findings(row.label, gradients[row.label])
    return findings + _curve_findings(learning, gradients)


def _curve_findings(
    learning: Mapping[str, Sequence[BothSides[LearningOutcome]]],
    gradients: Mapping[str, Sequence[BothSides[GradientOutcome]]],
) -> list[Finding]:
    trained = {label: seeds for label, seeds in learning.items() if seeds}
    losses = {
        label: [_curve_log_ratio(base.losses, head.losses) for base, head in seeds]
        for label, seeds in trained.items()
    }
    scores = {label: [_score_log_ratio(seed) for seed in seeds] for label, seeds in trained.items()}
    norms = {
        label: [_curve_log_ratio(base.norms, head.norms) for base, head in seeds]
        for label, seeds in gradients.items()
        if seeds
    }
    norm_findings = _over_seeds("gradient norm over training", norms, EITHER_DIRECTION)
    return [
        *_over_seeds("loss over training", losses, LEARNING),
        *_over_seeds("held-out score", scores, LEARNING),
        *map(_regressed_if_smaller, norm_findings),
    ]


# ---- seeds -----------------------------------------------------------------------------------


def _measured_seeds(outcomes: BothSides[BySeed[AnyOutcome]]) -> list[BothSides[AnyOutcome]]:
    """The seeds that succeeded on both sides."""
    return [
        seed
        for seed in in_common(outcomes).values()
        if all(outcome.status == "ok" for outcome in seed)
    ]


def _lost_seeds(
    row: str, probe: str, outcomes: BothSides[BySeed[AnyOutcome]], asked: Asked
) -> Iterator[Finding]:
    """The seeds that failed or were skipped on a side, those that the head lacks, and a probe that
    was asked for and measured on no seed."""
    seeds = in_common(outcomes)
    ends = {seed: {outcome.status for outcome in pair} for seed, pair in seeds.items()}
    for seed, pair in seeds.items():
        if ends[seed] not in ({"ok"}, {"skipped"}):
            yield outcome_finding(row, f"{probe}, seed {seed}", pair)
    if probe in asked.probes and all(end == {"skipped"} for end in ends.values()):
        yield _unmeasured(row, probe, outcomes)
    if lost := sorted(outcomes.base.keys() - outcomes.head.keys()):
        reason = f"not in the head: seed {', '.join(map(str, lost))}"
        yield Finding(row, probe, Verdict.MISSING, reason)


def _unmeasured(row: str, probe: str, outcomes: BothSides[BySeed[AnyOutcome]]) -> Finding:
    """The finding on a probe that no seed has on both sides, or that is skipped on all of them."""
    if seeds := in_common(outcomes):
        return outcome_finding(row, probe, next(iter(seeds.values())))
    where = "on either side" if not outcomes.head else "in the base"
    return Finding(row, probe, Verdict.NOT_COMPARABLE, f"not measured {where}")


def _nonfinite_findings(row: str, seeds: Sequence[BothSides[GradientOutcome]]) -> Iterator[Finding]:
    """More NaN or Inf in gradients than in the base is a regression, without a test."""
    if not seeds:
        return
    for name, attribute in (("NaN", "nan"), ("Inf", "inf")):
        base = sum(getattr(seed.base, attribute) for seed in seeds)
        head = sum(getattr(seed.head, attribute) for seed in seeds)
        verdict = Verdict.REGRESSED if head > base else Verdict.PASS
        yield Finding(row, f"{name} in gradients", verdict, "", base, head)


# ---- curves ----------------------------------------------------------------------------------


def _curve_log_ratio(base: Sequence[float], head: Sequence[float]) -> float:
    """The mean log-ratio of two curves, head over base, as far as both go. NaN for empty curves,
    and where they differ in a value without a logarithm."""
    points = list(zip(base, head, strict=False))
    if not points:
        return math.nan
    changed = [(b, h) for b, h in points if b != h]
    return sum(log_ratios(*zip(*changed, strict=True))) / len(points) if changed else 0.0


def _score_log_ratio(seed: BothSides[LearningOutcome]) -> float:
    """The log-ratio of two scores, with a share of the chance score added to both: scores near
    zero differ by large factors that mean nothing."""
    raised = []
    for outcome in seed:
        if outcome.score is None or outcome.chance is None:
            return math.nan
        raised.append([outcome.score + CHANCE_SHARE * outcome.chance])
    return log_ratios(*raised)[0]


def _over_seeds(check: str, differences: DifferencesByRow, rule: Rule) -> list[Finding]:
    """The decision on each row from its differences over seeds, by the sign-flip test."""
    decisions = decide({row: [d] for row, d in differences.items()}, rule, test=sign_flip)
    needed = rule.for_rows(len(differences)).pairs
    findings = []
    for row, decision in decisions.items():
        seeds = len(differences[row])
        decision = require_enough(decision, rule, seeds, needed, "seeds")
        if decision.verdict == Verdict.INCONCLUSIVE and not np.isfinite(differences[row]).all():
            reason = "a curve has a value that is not finite and positive"
            decision = replace(decision, reason=reason, cause=Cause.NO_RATIO)
        findings.append(decision_finding(decision, row, check, seeds))
    return findings


def _regressed_if_smaller(finding: Finding) -> Finding:
    """For gradient norms: smaller is not better, so that any change is a regression."""
    if finding.verdict != Verdict.IMPROVED:
        return finding
    return replace(finding, verdict=Verdict.REGRESSED, reason="smaller than in the base")
