"""The result of a whole comparison: its findings, its exit code, and its verdict in one line."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.both_sides import BothSides
from bench.compare.decision import Rule, Verdict
from bench.compare.finding import Finding
from bench.compare.matching import SideRecords

RED = (Verdict.REGRESSED, Verdict.FAILED, Verdict.MISSING)
"""The verdicts for which a comparison ends with 1, the worst first."""
OPEN = (Verdict.NOT_COMPARABLE, Verdict.INCONCLUSIVE)
"""The verdicts for which it ends with 3. Noise alone makes it inconclusive."""


@dataclass(frozen=True)
class ComparisonResult:
    """The findings of a comparison, its rule, and the records of both sides. `about` describes the
    sides, one line each."""

    findings: Sequence[Finding]
    about: Sequence[str]
    rule: Rule
    sides: BothSides[SideRecords]


def exit_code(findings: Sequence[Finding]) -> int:
    """1 where something regressed, failed or is missing; 3 where something is not concluded or
    nothing was measured; else 0."""
    verdict = overall_verdict(findings)
    if verdict in RED:
        return 1
    return 3 if verdict in OPEN else 0


def overall_verdict(findings: Sequence[Finding]) -> Verdict:
    """The worst verdict of all: pass where all are green, not comparable where nothing was
    measured."""
    if not findings:
        return Verdict.NOT_COMPARABLE
    verdicts = {finding.verdict for finding in findings}
    return next((verdict for verdict in (*RED, *OPEN) if verdict in verdicts), Verdict.PASS)


def conclusion(findings: Sequence[Finding]) -> str:
    """`regressed: 1 regressed, 41 pass`: the overall verdict, and the number of each verdict."""
    if not findings:
        return "nothing measured"
    counts = Counter(finding.verdict for finding in findings)
    numbers = ", ".join(f"{counts[v]} {v}" for v in reversed(Verdict) if counts[v])
    return f"{overall_verdict(findings)}: {numbers}"
