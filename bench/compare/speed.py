"""Speed, compared over launches: which were timed, what each gave, and what the control did."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.rows import row_label
from bench.analysis.timing import PHASES
from bench.compare.decision import Decision, Rounds, Rule, Verdict, decide, log_ratios
from bench.compare.pairs import (
    Finding,
    Pair,
    Sides,
    decided_as,
    measured_rows,
    outcome,
    with_enough,
)
from bench.records.record import Record

Launch = tuple[int, int]
"""Its number, and its threads."""


def speed(pairs: Sequence[Pair], sides: Sides, rule: Rule) -> list[Finding]:
    found: list[Finding] = []
    for pair in pairs:
        found += _untimed(pair, "speed" in _asked(sides))
    by_cell = {pair.cell: pair for pair in pairs}
    for (cell, phase), decision in decisions(pairs, sides, rule).items():
        times = list(_times(by_cell[cell], phase).values())
        middle = [median(side) for side in zip(*times, strict=True)] if times else [None, None]
        finding = decided_as(decision, cell, f"speed of {phase}", len(times))
        found.append(replace(finding, base=middle[0], head=middle[1], unit="s"))
    return found


def _asked(sides: Sides) -> Sequence[str]:
    """The probes of a live comparison; a stored run has what it has."""
    return (sides.head_info.get("request") or {}).get("probes") or () if sides.live else ()


def _untimed(pair: Pair, asked: bool) -> Iterator[Finding]:
    """Launches that failed or never were, a phase that the head lacks, and launches that are not
    alike."""
    if asked and not _launches(pair):
        yield Finding(pair.cell, "speed", Verdict.NOT_COMPARABLE, "was not timed on both sides")
    for (launch, _), (base, head) in _launches(pair).items():
        if base.status != head.status or base.status == "failed":
            yield outcome(pair, f"speed, launch {launch}", base, head)
    timed = [
        {phase for r in part if r.status == "ok" for phase in r.samples}
        for part in pair.probe("speed")
    ]
    for name in ("threads", "phase_s"):
        then, now = (
            sorted({r.case[name] for r in part if name in r.case}) for part in pair.probe("speed")
        )
        if then and now and then != now:
            reason = f"{name} {then} → {now}"
            yield Finding(pair.cell, "speed", Verdict.NOT_COMPARABLE, reason)
    for phase in sorted(timed[0] - timed[1]):
        yield Finding(pair.cell, f"speed of {phase}", Verdict.MISSING, "not in the head")


def decisions(pairs: Sequence[Pair], sides: Sides, rule: Rule) -> dict[tuple[str, str], Decision]:
    """The decision on each phase, by cell and phase, that both sides timed."""
    rule = rule if sides.live else replace(rule, rounds=1)
    cells = {
        (pair.cell, phase): _in_rounds(times, rule)
        for pair in pairs
        for phase in PHASES
        if (times := _times(pair, phase))
    }
    named = {str(key): rounds for key, rounds in cells.items()}
    decided = decide(named, rule, [_control(sides)])
    unwatched, enough = _unwatched(pairs, sides), rule.for_cells(len(cells)).pairs
    found = {}
    for key, rounds in cells.items():
        decision = decided[str(key)]
        if unwatched:
            decision = replace(decision, verdict=Verdict.INCONCLUSIVE, reason=unwatched, open=False)
        elif not sides.live:
            launches = sum(map(len, rounds))
            decision = with_enough(decision, rule, launches, enough, "launches")
        found[key] = decision
    return found


def _unwatched(pairs: Sequence[Pair], sides: Sides) -> str:
    """Beside how many launches of a live comparison the control was not timed; or nothing."""
    if not sides.live:
        return ""
    timed = {
        (pair.base.backend, launch)
        for pair in pairs
        for phase in PHASES
        for launch, _ in _times(pair, phase)
    }
    watched = set.intersection(*({*_controls(side)} for side in (sides.base, sides.head)))
    lost = len(timed - watched)
    return f"the control was not timed beside {lost} launches" if lost else ""


def _in_rounds(times: Mapping[Launch, tuple[float, float]], rule: Rule) -> Rounds:
    """Log-ratios by the round that the launches belong to."""
    found: dict[int, list[float]] = {}
    for (launch, _), (base, head) in times.items():
        number = launch // rule.pairs if rule.rounds > 1 else 0
        found.setdefault(number, []).extend(log_ratios([base], [head]))
    return list(found.values())


def _launches(pair: Pair) -> dict[Launch, tuple[Record, Record]]:
    """Those of both sides, in the order of their numbers."""
    base, head = (
        {(r.case["launch"], r.case["threads"]): r for r in part} for part in pair.probe("speed")
    )
    return {launch: (base[launch], head[launch]) for launch in sorted(base) if launch in head}


def _times(pair: Pair, phase: str) -> dict[Launch, tuple[float, float]]:
    """Seconds a call of both sides, by launch."""
    return {
        launch: (_best(base.samples[phase]), _best(head.samples[phase]))
        for launch, (base, head) in _launches(pair).items()
        if base.samples.get(phase) and head.samples.get(phase)
    }


def launch_times(records: Iterable[Record]) -> dict[tuple[str, str], list[float]]:
    """Seconds a call by cell and phase, a figure a launch, of one side."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in measured_rows(replace(record, run="") for record in records):
        cell = row_label(row.keys)
        for record in row.measured("speed"):
            for phase in PHASES:
                if samples := record.samples.get(phase):
                    found.setdefault((cell, phase), []).append(_best(samples))
    return {key: times for key, times in found.items() if np.isfinite(times).all()}


def _best(samples: Sequence[float]) -> float:
    """What disturbances only add to: the least of a launch; NaN where one is no time at all."""
    good = all(0 < s < math.inf for s in samples)
    return min(samples) if good else math.nan


def _control(sides: Sides) -> list[float]:
    """Log-ratios of the control beside each launch; of stored runs, of the matrix product that
    was timed in each."""
    kind = _controls if sides.live else _products
    base, head = (kind(side) for side in (sides.base, sides.head))
    both = [launch for launch in base if launch in head]
    return log_ratios([base[k] for k in both], [head[k] for k in both])


def _controls(side: Iterable[Record]) -> dict[tuple[str, int], float]:
    """Seconds by backend and launch."""
    return {
        (r.case["backend"], r.case["launch"]): _best(r.samples["control"])
        for r in side
        if r.probe == "control" and r.status == "ok"
    }


def _products(side: Iterable[Record]) -> dict[tuple[Any, ...], float]:
    """The inverse of the rate by process and dtype: it is measured once a process."""
    names = ("backend", "device", "dtype", "threads", "launch")
    return {
        tuple(r.case[name] for name in names): 1 / rate
        for r in side
        if (rate := r.metrics.get("product_gflops"))
    }
