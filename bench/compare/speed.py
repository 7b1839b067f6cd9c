"""Speed: compared over pairs of launches, with a control beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from bench.compare.both_sides import BothSides
from bench.compare.decision import Decision, Rounds, Rule, Verdict, decide
from bench.compare.evidence import Asked, Evidence, LaunchKey, MatchedRow
from bench.compare.finding import Finding, decision_finding, outcome_finding, require_enough
from bench.compare.launch_times import LaunchTimes, mean_log_ratio, pair_log_ratio
from bench.compare.mean_time import judge_mean
from bench.compare.outcomes import COMPARED_PHASES
from bench.compare.reasons import Cause

RowPhase = tuple[str, str]
"""The label of a row, and a phase."""


def speed_findings(rows: Sequence[MatchedRow], evidence: Evidence, rule: Rule) -> list[Finding]:
    """Why a row was not timed, or not alike; then the decision on each phase of each row."""
    findings = [f for row in rows for f in _untimed_findings(row, evidence.asked)]
    by_label = {row.label: row for row in rows}
    for (label, phase), decision in speed_decisions(rows, evidence, rule).items():
        pairs = list(by_label[label].speed.times(phase).values())
        decision = replace(decision, reason=_machine_words(decision))
        finding = decision_finding(decision, label, f"speed of {phase}", len(pairs))
        base, head = (median(times.seconds for times in side) for side in zip(*pairs, strict=True))
        findings.append(replace(finding, base=base, head=head, unit="s"))
    return findings


def _machine_words(decision: Decision) -> str:
    """The reason, in words of a measurement of time that is over."""
    noisy = "the machine is noisy: " if decision.cause == Cause.NOISE else ""
    stopped = "; stopped before the next round, which could decide" if decision.open else ""
    return noisy + decision.reason + stopped


def _untimed_findings(row: MatchedRow, asked: Asked) -> Iterator[Finding]:
    """Launches that failed or never were, settings that differ, and phases that a side lacks."""
    speed = row.speed
    if "speed" in asked.probes and not speed.launches:
        reason = "was not timed on both sides"
        yield Finding(row.label, "speed", Verdict.NOT_COMPARABLE, reason)
    for (number, _), outcomes in speed.launches.items():
        if {outcome.status for outcome in outcomes} not in ({"ok"}, {"skipped"}):
            yield outcome_finding(row.label, f"speed, launch {number}", outcomes)
    for name, (base, head) in speed.settings.items():
        if base and head and base != head:
            reason = f"{name} {base} → {head}"
            yield Finding(row.label, "speed", Verdict.NOT_COMPARABLE, reason)
    for phase in sorted(speed.phases.base - speed.phases.head):
        yield Finding(row.label, f"speed of {phase}", Verdict.MISSING, "not in the head")
    for phase in sorted(speed.phases.base & speed.phases.head):
        if not speed.times(phase):
            reason = "no launch of one number was timed on both sides"
            yield Finding(row.label, f"speed of {phase}", Verdict.NOT_COMPARABLE, reason)
    for phase in sorted(asked.phases - speed.phases.base):
        yield Finding(row.label, f"speed of {phase}", Verdict.NOT_COMPARABLE, _why_not(row, phase))


def _why_not(row: MatchedRow, phase: str) -> str:
    """Why the base has no time of a phase that was asked for."""
    if phase in row.speed.phases.head:
        return "not in the base"
    outcomes = (outcome for pair in row.speed.launches.values() for outcome in pair)
    reasons = (outcome.reason for outcome in outcomes if outcome.reason)
    timed = ", ".join(sorted(row.speed.phases.head)) or "nothing"
    return f"not timed on either side: {next(reasons, f'the backend times {timed}')}"


def speed_decisions(
    rows: Sequence[MatchedRow], evidence: Evidence, rule: Rule
) -> dict[RowPhase, Decision]:
    """The decision on each phase that both sides timed, by row and phase."""
    rule = rule if evidence.live else replace(rule, rounds=1)
    times = {
        (row.label, phase): pairs
        for row in rows
        for phase in COMPARED_PHASES
        if (pairs := row.speed.times(phase))
    }
    rounds = {key: _rounds(pairs, rule, pair_log_ratio) for key, pairs in times.items()}
    decisions = decide(rounds, rule, [list(map(pair_log_ratio, evidence.control.values()))])
    if evidence.live:
        means = {key: _rounds(pairs, rule, mean_log_ratio) for key, pairs in times.items()}
        decisions = {
            key: judge_mean(decision, means[key], rule, len(rounds))
            for key, decision in decisions.items()
        }
    if reason := _launches_without_control(rows, evidence):
        return {
            key: replace(
                decision,
                verdict=Verdict.NOT_COMPARABLE,
                reason=reason,
                cause=Cause.CONTROL,
                open=False,
            )
            for key, decision in decisions.items()
        }
    if evidence.live:
        return decisions
    needed = rule.for_rows(len(rounds)).pairs
    return {
        key: require_enough(decision, rule, sum(map(len, rounds[key])), needed, "launches")
        for key, decision in decisions.items()
    }


def _launches_without_control(rows: Sequence[MatchedRow], evidence: Evidence) -> str:
    """For a live comparison: how many launches have no time of the control, in words; empty where
    all have one."""
    if not evidence.live:
        return ""
    timed = {
        (row.backend, number)
        for row in rows
        for phase in COMPARED_PHASES
        for number, _ in row.speed.times(phase)
    }
    lost = len(timed - evidence.control.keys())
    return f"the control was not timed beside {lost} launches" if lost else ""


def _rounds(
    times: Mapping[LaunchKey, BothSides[LaunchTimes]],
    rule: Rule,
    log_ratio: Callable[[BothSides[LaunchTimes]], float],
) -> Rounds:
    """Log-ratios by the round that the launches belong to: a lost launch leaves the others in
    their rounds."""
    rounds: dict[int, list[float]] = {}
    for (number, _), pair in times.items():
        index = number // rule.pairs if rule.rounds > 1 else 0
        rounds.setdefault(index, []).append(log_ratio(pair))
    return list(rounds.values())
