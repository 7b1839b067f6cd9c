"""How long a live comparison takes: from one round to all of them."""

import random
from collections.abc import Sequence
from pathlib import Path

from bench.compare.decision import Rule
from bench.plan.case import Case
from bench.plan.estimate import START_S, Work
from bench.plan.selection import Registry
from bench.plan.units import plan_units
from bench.records import machine
from bench.run.measure import earlier_costs, planned_work

OPENING_S = 4.0
"""Seconds to check both sides out and to ask them what they run."""
OVERLAP = 0.6
"""The share of two launches that a pair takes where their workers start side by side."""


def comparison_seconds(
    cases: Sequence[Case], rule: Rule, jobs: int, tasks: Registry, entry: Path, root: Path
) -> tuple[float, float]:
    """The expected seconds of a comparison whose sides have these cases each: with one round, if
    that decides every row, and with all rounds of every row. `root` holds earlier comparisons.
    """
    past = earlier_costs(entry, root)
    work = planned_work(cases, plan_units(cases, random.Random(0)), tasks, past)
    first = OPENING_S + untimed_seconds(work, jobs) + rule.pairs * pair_seconds(work)
    last = first + (rule.rounds - 1) * rule.pairs * pair_seconds(work)
    return first, last


def untimed_seconds(work: Work, jobs: int) -> float:
    """The seconds of the probes without a clock: both sides at once where two workers may run."""
    units = [unit for unit in work.units if not unit.timed]
    one_side = Work(work.cases, work.seconds, units).total_seconds(max(1, jobs // 2))
    on_gpu = any(unit.device != "cpu" for unit in units)
    return 2 * one_side if on_gpu or jobs < 2 else one_side


def pair_seconds(work: Work) -> float:
    """The seconds of a pair of launches. The work holds one launch of each timed case of a side;
    the control is timed after each, in a process of its own."""
    launches = [unit for unit in work.units if unit.timed]
    timed = sum(work.seconds[case.key] for unit in launches for case in unit.cases)
    both = 2 * (timed + len(launches) * START_S)
    threads = max((unit.threads for unit in launches), default=1)
    return OVERLAP * both if len(machine.cpus()) >= 2 * threads else both + 2 * len(launches)
