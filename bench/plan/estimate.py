"""Estimates how long cases take: from earlier records, otherwise from a rough model."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.plan.case import Case
from bench.plan.past_costs import PastCost, PastCosts, cost_group
from bench.plan.rough_cost import RoughCost, rough_cost
from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.spec import Task, Unavailable

START_S = 1.0
"""Seconds to start a worker; its first case imports the framework."""
PRIOR_WEIGHT = 0.5
"""How strongly factors are drawn to those that they start from; an earlier case weighs 1."""

CaseKind = tuple[str, str, str]
"""Backend, device and probe."""


@dataclass(frozen=True)
class Factors:
    """What the two parts of a rough cost are multiplied by, for one kind of case."""

    setup: float = 1.0
    work: float = 1.0

    def seconds(self, rough: RoughCost) -> float:
        """The corrected estimate."""
        return self.setup * rough.setup_s + self.work * rough.work_s

    def refined(self, measured: Sequence[tuple[RoughCost, float]]) -> "Factors":
        """The factors with the least relative error for these rough costs, each with the seconds
        that were measured, and close to the present factors where few were."""
        rows = [(rough.setup_s / s, rough.work_s / s) for rough, s in measured if s > 0]
        matrix = np.vstack([np.reshape(rows, (-1, 2)), PRIOR_WEIGHT * np.eye(2)])
        prior = np.array([self.setup, self.work])
        right = np.concatenate([np.ones(len(rows)), PRIOR_WEIGHT * prior])
        setup, work = np.maximum(np.linalg.lstsq(matrix, right, rcond=None)[0], prior / 100)
        return Factors(float(setup), float(work))


def estimate_seconds(
    cases: Sequence[Case], tasks: Registry, past: Sequence[PastCosts]
) -> list[float]:
    """The seconds that each case is expected to take: the median of earlier cases like it.

    Without such cases, it is the rough model's time, corrected by what it was wrong by for other
    cases of the same backend, device and probe. `past` holds earlier costs, those that say most
    about this machine last.
    """
    names = {*tasks.names(), *(case.task.name for case in cases)}
    factors: dict[CaseKind, Factors] = {}
    for costs in past:
        for kind, measured in _measured(costs.values(), tasks, names).items():
            factors[kind] = factors.get(kind, Factors()).refined(measured)

    def expected(case: Case) -> float:
        group = cost_group(case.flat())
        if earlier := [costs[group].seconds for costs in past if group in costs]:
            return earlier[-1]
        return factors.get(_kind(case), Factors()).seconds(rough_cost(case, _task(case, tasks)))

    return [expected(case) for case in cases]


def _measured(
    costs: Iterable[PastCost], tasks: Registry, names: Collection[str]
) -> dict[CaseKind, list[tuple[RoughCost, float]]]:
    """The rough cost and the seconds of earlier cases, by kind, where the task is among `names`."""
    measured: dict[CaseKind, list[tuple[RoughCost, float]]] = {}
    for cost in costs:
        try:
            case = Case.from_flat(cost.settings)
            if case.task.name in names:
                pair = (rough_cost(case, _task(case, tasks)), cost.seconds)
                measured.setdefault(_kind(case), []).append(pair)
        except (Unavailable, ValueError, KeyError, TypeError):
            continue  # a task whose data are gone, or a case of an older version
    return measured


def _kind(case: Case) -> CaseKind:
    return case.backend, case.device, case.probe


def _task(case: Case, tasks: Registry) -> Task:
    return case.sized(type(next(iter(tasks.load(case.task.name).PROFILES.values()))))


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
