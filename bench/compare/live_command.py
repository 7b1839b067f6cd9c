"""A live comparison from its plan to its verdict."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from bench.compare.both_sides import BothSides
from bench.compare.conclusion import ComparisonResult
from bench.compare.decision import Rule
from bench.compare.folder import create_folder
from bench.compare.judge import judge
from bench.compare.launches import control_command
from bench.compare.live import LiveComparison, MeasuredSide
from bench.compare.sides import Side, SidePlan, plan_side
from bench.compare.temporary import temporary_folder
from bench.plan.case import Case
from bench.plan.request import Request
from bench.plan.selection import BackendRegistry
from bench.records.inert import inert
from bench.run.completion import run_to_completion
from bench.run.limits import Limits, quota_warning
from bench.run.status import StatusLine


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """How a live comparison is made: into which folder, by which rule, and what it may take."""

    path: Path
    asked: Request
    """What the user asked for."""
    request: Request
    """The same with the defaults of a comparison."""
    rule: Rule
    budget_s: float
    limits: Limits
    jobs: int
    backends: BackendRegistry
    entry: Path
    """The program that starts the workers of the control: this checkout's."""


def compare_live(
    sides: BothSides[Side], settings: LiveSettings, status: StatusLine
) -> ComparisonResult:
    """Plan, measure and judge both sides."""
    status.show("asking both sides what they run")
    plans = sides.map(lambda side: plan_side(side, settings.request, settings.backends))
    for side, plan in zip(sides, plans, strict=True):
        for gap in plan.missing:
            print(f"{side.name}: not run: {inert(gap)}", file=sys.stderr)
    if warning := quota_warning(settings.request.settings().threads):
        print(warning, file=sys.stderr)
    rule = settings.rule.for_rows(timed_phase_count(plans.base.cases))
    create_folder(settings.path)
    with temporary_folder() as compiled:
        measured = _create_sides(sides, plans, settings, compiled, status)
        comparison = LiveComparison(measured, rule, monotonic() + settings.budget_s)
        run_to_completion(comparison.measure(settings.jobs, status.show))
    findings = judge(comparison.evidence(), rule)
    return ComparisonResult(findings, _about(sides, plans), rule, comparison.records())


def timed_phase_count(cases: Sequence[Case]) -> int:
    """How many decisions on speed there will be: one for each phase of each timed case."""
    return sum(len(case.speed.phases) for case in cases if case.speed)


def _create_sides(
    sides: BothSides[Side],
    plans: BothSides[SidePlan],
    settings: LiveSettings,
    compiled: Path,
    status: StatusLine,
) -> BothSides[MeasuredSide]:
    """Both sides with new run folders. The control is the reference of this checkout on both, so
    that neither side can change it."""

    def create(side: Side, plan: SidePlan) -> MeasuredSide:
        return MeasuredSide.create(
            settings.path,
            side,
            plan,
            command=side.start_command(plan, compiled / side.name),
            control=control_command(settings.backends, settings.entry),
            limits=settings.limits,
            asked=settings.asked,
            progress=status,
        )

    return BothSides(create(sides.base, plans.base), create(sides.head, plans.head))


def _about(sides: BothSides[Side], plans: BothSides[SidePlan]) -> list[str]:
    """Lines that describe the sides and name the backends that could run on neither."""
    lines = [f"{side.name}: {side.label}" for side in sides]
    lines += [
        f"{side.name}: its code is too old to tell which files it loads"
        for side, plan in zip(sides, plans, strict=True)
        if side.guarded and not plan.tells_origin
    ]
    on_neither = [gap for gap in plans.base.missing if gap in plans.head.missing]
    return lines + [f"on neither side: {gap}" for gap in on_neither]
