"""How long a live comparison takes: from one round to all of them."""

import random
from collections.abc import Sequence
from pathlib import Path

from bench.compare.decision import Rule
from bench.plan.case import Case
from bench.plan.estimate import START_S, Work
from bench.plan.probes import TIMED_PROBES
from bench.plan.selection import Registry
from bench.plan.units import plan_units
from bench.run.display import format_duration
from bench.run.measure import earlier_costs, planned_work

CONTROL_S = 0.5
"""Seconds that the control takes after each launch."""


def expected_time(
    cases: Sequence[Case], rule: Rule, jobs: int, tasks: Registry, entry: Path, root: Path
) -> str:
    """The expected time of a comparison whose sides have these cases each: `2 min to 6 min`.

    It lies between one round, if that decides every row, and all rounds with every row. `root`
    holds earlier comparisons.
    """
    work = planned_work(
        cases, plan_units(cases, random.Random(0)), tasks, earlier_costs(entry, root)
    )
    untimed = Work(cases, work.seconds, [unit for unit in work.units if not unit.timed])
    pair = pair_seconds(work)
    first = 2 * untimed.total_seconds(jobs) + rule.pairs * pair
    last = first + (rule.rounds - 1) * rule.pairs * pair
    return " to ".join(dict.fromkeys([format_duration(first), format_duration(last)]))


def pair_seconds(work: Work) -> float:
    """The seconds of a pair of launches: on each side every timed case once, and the control after
    each process. The work holds one launch of each timed case."""
    launches = [unit for unit in work.units if unit.timed]
    timed = sum(work.seconds[case.key] for case in work.cases if case.probe in TIMED_PROBES)
    return 2 * (timed + len(launches) * (2 * START_S + CONTROL_S))
