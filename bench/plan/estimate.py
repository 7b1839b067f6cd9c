"""Estimates how long cases take: from earlier records, otherwise from a rough model."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from bench.plan.case import Case
from bench.plan.past_costs import PastCost, PastCosts, cost_group
from bench.plan.rough_cost import RoughCost, rough_cost
from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.spec import Task, Unavailable, called

START_S = 1.0
"""Seconds to start a worker; its first case imports the framework."""
PRIOR_WEIGHT = 0.3
"""How strongly factors are drawn to those that they start from; an earlier case weighs 1."""
FIT_STEPS, MOST_CHANGE = 15, 6.0
LEAST_S = 0.01
"""Measured seconds below this count as this."""

CaseKind = tuple[str, str, str]
"""Backend, device and probe."""


@dataclass(frozen=True)
class Factors:
    """What the two parts of a rough cost are multiplied by, for one kind of case."""

    setup: float = 1.0
    work: float = 1.0

    def seconds(self, rough: RoughCost) -> float:
        """The corrected estimate."""
        return self.setup * rough.setup_s + self.work * rough.work_s + rough.prescribed_s

    def refined(self, measured: Sequence[tuple[RoughCost, float]]) -> "Factors":
        """The factors with the least error for these rough costs, each with the seconds that were
        measured: least squares of logarithms, drawn to the present factors where few were."""
        rough = np.array([(r.setup_s * self.setup, r.work_s * self.work) for r, _ in measured])
        rest_s = np.array([max(s - r.prescribed_s, LEAST_S) for r, s in measured])
        change = np.zeros(2)
        for _ in range(FIT_STEPS):  # Gauss-Newton
            parts = rough * np.exp(change)
            predicted = parts.sum(axis=1)
            slopes = np.vstack([parts / predicted[:, None], PRIOR_WEIGHT * np.eye(2)])
            errors = np.concatenate([np.log(rest_s / predicted), -PRIOR_WEIGHT * change])
            step = np.linalg.lstsq(slopes, errors, rcond=None)[0]
            change = np.clip(change + np.clip(step, -1, 1), -MOST_CHANGE, MOST_CHANGE)
        setup, work = np.exp(change)
        return Factors(self.setup * float(setup), self.work * float(work))


def estimate_seconds(
    cases: Sequence[Case], tasks: Registry, past: Sequence[PastCosts]
) -> list[float]:
    """The seconds that each case is expected to take: the median of earlier cases like it.

    Without such cases, it is the rough model's time, corrected by what it was wrong by for other
    cases of the same backend, device and probe. `past` holds earlier costs, those that say most
    about this machine last.
    """
    types = _task_types(cases, past, tasks)
    factors: dict[CaseKind, Factors] = {}
    for costs in past:
        for kind, measured in _measured(costs.values(), types).items():
            factors[kind] = factors.get(kind, Factors()).refined(measured)

    by_group: dict[str, float] = {}

    def expected(case: Case) -> float:
        group = cost_group(case.flat())
        if group not in by_group:
            earlier = [costs[group] for costs in past if group in costs]
            by_group[group] = earlier[-1].seconds if earlier else corrected(case)
        return by_group[group]

    def corrected(case: Case) -> float:
        task = types[case.task.name]
        rough = called(
            f"task {case.task.name}",
            lambda: rough_cost(case, case.sized(task)),
            sys.modules.get(task.__module__),
        )
        return factors.get(_kind(case), Factors()).seconds(rough)

    return [expected(case) for case in cases]


def _task_types(
    cases: Sequence[Case], past: Sequence[PastCosts], tasks: Registry
) -> dict[str, type[Task]]:
    """The dataclass of each task of the cases, and of those tasks of earlier cases whose size is
    known without running a user's file or reading data."""
    chosen = {case.task.name for case in cases}
    earlier = {str(cost.settings.get("task")) for costs in past for cost in costs.values()}
    types: dict[str, type[Task]] = {}
    for name in chosen | (earlier & set(tasks.names())):
        try:
            file = tasks.load(name)
        except Unavailable:
            if name in chosen:
                raise
            continue
        if name in chosen or not file.REQUIRES:
            types[name] = type(next(iter(file.PROFILES.values())))
    return types


def _measured(
    costs: Iterable[PastCost], types: Mapping[str, type[Task]]
) -> dict[CaseKind, list[tuple[RoughCost, float]]]:
    """The rough cost and the seconds of the earlier cases of these tasks, by kind."""
    measured: dict[CaseKind, list[tuple[RoughCost, float]]] = {}
    for cost in costs:
        try:
            case = Case.from_flat(cost.settings)
            rough = rough_cost(case, case.sized(types[case.task.name]))
        except Exception:  # noqa: BLE001 - a record can hold any size, and a task refuse it
            continue
        if 0 <= rough.work_s < inf and isfinite(rough.prescribed_s):
            measured.setdefault(_kind(case), []).append((rough, cost.seconds))
    return measured


def _kind(case: Case) -> CaseKind:
    return case.backend, case.device, case.probe


@dataclass(frozen=True)
class Work:
    """Cases that are to be measured, with the seconds that each is expected to take by its key,
    and the units that run them."""

    cases: Sequence[Case]
    seconds: Mapping[str, float]
    units: Sequence[Unit]

    def total_seconds(self, jobs: int) -> float:
        """The expected wall-clock time, with this many workers side by side."""
        return estimate_total(self.units, self.seconds, jobs)


def estimate_total(units: Iterable[Unit], cost: Mapping[str, float], jobs: int) -> float:
    """Seconds for all units, given the seconds of each case by its key.

    Untimed units share `jobs` workers, and a unit may wait for the first of its backend and
    device; timed units run one at a time.
    """
    firsts: dict[tuple[str, str], tuple[Unit, float]] = {}
    untimed, ends, timed = 0.0, [0.0], 0.0
    for unit in units:
        seconds = START_S + sum(cost[case.key] for case in unit.cases)
        if unit.timed:
            timed += seconds
            continue
        first, first_seconds = firsts.setdefault((unit.backend, unit.device), (unit, seconds))
        untimed += seconds
        ends.append(seconds + (first_seconds if unit.waits_for(first) else 0.0))
    return max(untimed / max(jobs, 1), *ends) + timed
