"""The result of a whole comparison: its findings, its exit code, and its verdict in one line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.both_sides import BothSides
from bench.compare.decision import Rule, Verdict
from bench.compare.finding import Finding
from bench.compare.matching import SideRecords

RED = (Verdict.REGRESSED, Verdict.MISSING)
OVERALL = {0: Verdict.PASS, 1: Verdict.REGRESSED, 3: Verdict.INCONCLUSIVE}


@dataclass(frozen=True)
class ComparisonResult:
    """The findings of a comparison, its rule, and the records of both sides. `about` describes the
    sides, one line each."""

    findings: Sequence[Finding]
    about: Sequence[str]
    rule: Rule
    sides: BothSides[SideRecords]


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where something regressed or is missing; 3 where something is not concluded or nothing was
    measured; else 0."""
    if any(finding.verdict in RED for finding in findings):
        return 1
    return 0 if findings and all(finding.verdict.green for finding in findings) else 3


def overall_verdict(findings: Sequence[Finding]) -> Verdict:
    """Pass, regressed or inconclusive."""
    return OVERALL[exit_code(findings)]


def conclusion(findings: Sequence[Finding]) -> str:
    """`regressed: 1 regressed, 41 pass`: the overall verdict, and the number of each verdict."""
    if not findings:
        return "nothing measured"
    counts = Counter(finding.verdict for finding in findings)
    numbers = ", ".join(f"{counts[v]} {v}" for v in reversed(Verdict) if counts[v])
    return f"{overall_verdict(findings)}: {numbers}"
