"""Judge the evidence of a comparison: pure functions of evidence and rule."""

from collections.abc import Mapping

from bench.compare.correctness import correctness_findings, gate_findings, is_sound
from bench.compare.decision import Rule, Verdict
from bench.compare.evidence import Evidence, MatchedRow
from bench.compare.finding import Finding
from bench.compare.learning import learning_findings
from bench.compare.matching import Absence
from bench.compare.speed import speed_decisions, speed_findings

ABSENCES: Mapping[str, tuple[Verdict, str]] = {
    "head": (Verdict.MISSING, "not in the head"),
    "base": (Verdict.NOT_COMPARABLE, "not in the base"),
    "both": (Verdict.NOT_COMPARABLE, "on neither side"),
}


def judge(evidence: Evidence, rule: Rule) -> list[Finding]:
    """All findings, by row in the order of the records: correctness first, speed last. What could
    not be compared comes at the end."""
    absences = [_absence_finding(absence) for absence in evidence.absences]
    if reason := evidence.other_machine:
        return [
            *(Finding(r.label, "machine", Verdict.NOT_COMPARABLE, reason) for r in evidence.rows),
            *(finding for row in evidence.rows for finding in gate_findings(row)),
            *absences,
        ]
    sound = sound_rows(evidence)
    findings = [
        *absences,
        *(finding for row in evidence.rows for finding in correctness_findings(row)),
        *learning_findings(sound, evidence.asked),
        *speed_findings(sound, evidence, rule),
    ]
    order = {row.label: index for index, row in enumerate(evidence.rows)}
    return sorted(findings, key=lambda finding: order.get(finding.row, len(order)))


def sound_rows(evidence: Evidence) -> list[MatchedRow]:
    """The rows whose model is the same, and right, on both sides: these are timed."""
    return [row for row in evidence.rows if is_sound(row)]


def undecided_rows(
    evidence: Evidence, rule: Rule, *, flagged_only: bool = False
) -> list[MatchedRow]:
    """The sound rows on whose speed another round could decide; or only those that are flagged,
    which that round would confirm or not."""
    sound = sound_rows(evidence)
    labels = {
        label
        for (label, _), decision in speed_decisions(sound, evidence, rule).items()
        if decision.open and (decision.flagged or not flagged_only)
    }
    return [row for row in sound if row.label in labels]


def _absence_finding(absence: Absence) -> Finding:
    if absence.failure:
        reason = f"not in the base, and the head failed: {absence.failure}"
        return Finding(absence.name, "cell", Verdict.FAILED, reason)
    verdict, reason = ABSENCES[absence.missing_from]
    if absence.reason:
        reason = f"{reason}: {absence.reason}"
    return Finding(absence.name, "cell", verdict, reason)
