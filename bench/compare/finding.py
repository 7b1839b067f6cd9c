"""One line of a verdict, and how an outcome or a decision becomes one."""

from dataclasses import dataclass, replace

from bench.compare.both_sides import BothSides
from bench.compare.decision import Decision, Rule, Verdict
from bench.compare.outcomes import CaseOutcome
from bench.compare.reasons import Cause, percent


@dataclass(frozen=True)
class Finding:
    """The verdict on one check of one row. `base` and `head` are in `unit`. `ratio` is head over
    base, from `low` to `high` at the confidence of the interval; single pairs scatter from
    `scatter_low` to `scatter_high`."""

    row: str
    check: str
    verdict: Verdict
    reason: str = ""
    base: float | None = None
    head: float | None = None
    unit: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    pairs: int = 0
    confidence: float | None = None
    scatter_low: float | None = None
    scatter_high: float | None = None
    cause: Cause | None = None
    """Why the decision is inconclusive, in a word; `reason` has the sentence."""


def outcome_finding(row: str, check: str, outcomes: BothSides[CaseOutcome]) -> Finding:
    """The verdict on a case, from how it ended on both sides. A head that fails is never a
    warning, whatever the base does."""
    verdict, reason = _status_verdict(*outcomes)
    if check == "parity" and (outcomes.base.status, outcomes.head.status) == ("failed", "ok"):
        verdict = Verdict.IMPROVED
    return Finding(row, check, verdict, reason)


def _status_verdict(base: CaseOutcome, head: CaseOutcome) -> tuple[Verdict, str]:
    match base.status, head.status:
        case "ok", "ok":
            return Verdict.PASS, ""
        case "failed", "failed":
            return Verdict.FAILED, f"both failed: {head.reason}"
        case "ok", "failed":
            return Verdict.REGRESSED, f"the head failed: {head.reason}"
        case _, "failed":
            return Verdict.FAILED, f"the head failed: {head.reason}; not in the base: {base.reason}"
        case "skipped", "skipped":
            return Verdict.NOT_COMPARABLE, f"not measured on either side: {head.reason}"
        case _, "skipped":
            return Verdict.MISSING, f"not in the head: {head.reason}"
        case "skipped", _:
            return Verdict.NOT_COMPARABLE, f"not in the base: {base.reason}"
    return Verdict.NOT_COMPARABLE, f"the base failed: {base.reason}"


def decision_finding(decision: Decision, row: str, check: str, pairs: int) -> Finding:
    """The finding of a statistical decision. An interval that the pairs cannot give is left out.
    Pairs without a ratio are no noise, which would make it inconclusive."""
    without_ratio = decision.cause == Cause.NO_RATIO
    finding = Finding(
        row,
        check,
        Verdict.NOT_COMPARABLE if without_ratio else decision.verdict,
        decision.reason,
        p=decision.p,
        pairs=pairs,
        cause=decision.cause,
    )
    if not (figures := decision.figures):
        return finding
    if figures.has_interval:
        finding = replace(
            finding, low=figures.low, high=figures.high, confidence=figures.confidence
        )
    return replace(
        finding,
        ratio=figures.ratio,
        scatter_low=figures.scatter_low,
        scatter_high=figures.scatter_high,
    )


def require_enough(decision: Decision, rule: Rule, count: int, needed: int, unit: str) -> Decision:
    """The decision, made inconclusive where it rests on fewer than `needed` pairs.

    `unit` is what the reason calls a pair. A pass becomes inconclusive only if its ratio is as
    large as a change that is flagged: more pairs might have shown that change.
    """
    ratio = decision.figures.ratio if decision.figures else 1.0
    may_hide = decision.verdict == Verdict.PASS and max(ratio, 1 / ratio) >= 1 + rule.least
    if count >= needed or not (may_hide or decision.verdict == Verdict.INCONCLUSIVE):
        return decision
    too_few = f"{count} {unit}, {needed} are needed"
    reason = f"{decision.reason}; {too_few}"
    if decision.cause == Cause.FEW_PAIRS:
        reason = too_few
    elif decision.verdict == Verdict.PASS:
        reason = f"{percent(ratio)} is too large to pass with few pairs: {too_few}"
    return replace(
        decision,
        verdict=Verdict.INCONCLUSIVE,
        reason=reason,
        cause=decision.cause or Cause.FEW_PAIRS,
    )
