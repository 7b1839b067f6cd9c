"""Estimates how long cases take: from earlier records, otherwise from a rough model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.plan.case import Case, case_key
from bench.plan.probes import ADVANCE
from bench.plan.units import Unit
from bench.records.folder import RecordsError, RunFolder
from bench.spec import Task, Unavailable

START_S = 4.0
"""Seconds to start a worker and import a framework."""
STEP_S = 2e-5
"""The rough model's seconds for the calls of one time step of one layer, forward and backward."""
FLOPS = 3.5e10
"""The rough model's floating-point operations a second."""
COMPILE_S = 2.0
LATENCY_S = 3.0
"""The rough model's seconds for the single steps of the phase `advance`, most of them pauses."""
UPDATES: Mapping[str, float] = {"gradients": 3, "lengths": 50, "parity": 20, "memory": 10}
"""The number of updates that take as long as a case of the probe; 100 for the speed probe. A
learning case takes as long as the updates of its task and its evaluations."""


@dataclass(frozen=True)
class PastCost:
    """The wall-clock times of earlier cases that differ only in seed or launch."""

    settings: Mapping[str, Any]
    """The flat case of one of them."""
    seconds: list[float] = field(default_factory=list)


PastCosts = Mapping[str, PastCost]
"""The costs of earlier cases, by `cost_group`."""


def past_costs(root: Path) -> PastCosts:
    """The costs of all measured cases below a results folder, except those of damaged runs."""
    past: dict[str, PastCost] = {}
    for folder in RunFolder.all(root):
        try:
            records = folder.records()
        except RecordsError:
            continue
        for record in records:
            if record.status == "ok":
                cost = past.setdefault(cost_group(record.case), PastCost(record.case))
                cost.seconds.append(record.wall_s)
    return past


def cost_group(settings: Mapping[str, Any]) -> str:
    """The identity of all cases that take about as long as this flat case."""
    return case_key({k: v for k, v in settings.items() if k not in ("seed", "launch")})


def estimate_seconds(
    cases: Sequence[Case], task_types: Mapping[str, type[Task]], past: PastCosts
) -> list[float]:
    """The seconds that each case is expected to take: the median of earlier cases like it.

    Without such cases, it is the rough model's time, corrected by the factor by which the model was
    wrong for other cases of the same backend, device and probe. `task_types` holds the dataclass
    of each task, by its name.
    """
    factors = _model_errors(task_types, past)

    def expected(case: Case) -> float:
        if earlier := past.get(cost_group(case.flat())):
            return median(earlier.seconds)
        factor = median(factors.get((case.backend, case.device, case.probe), [1.0]))
        return factor * _rough_seconds(case, case.sized(task_types[case.task.name]))

    return [expected(case) for case in cases]


def _model_errors(
    task_types: Mapping[str, type[Task]], past: PastCosts
) -> dict[tuple[str, str, str], list[float]]:
    """The ratios of measured time to the rough model's, by backend, device and probe."""
    errors: dict[tuple[str, str, str], list[float]] = {}
    for cost in past.values():
        try:
            case = Case.from_flat(cost.settings)
            rough = _rough_seconds(case, case.sized(task_types[case.task.name]))
        except (Unavailable, ValueError, KeyError, TypeError):
            continue  # a task whose data are gone, or a case of an older version
        key = (case.backend, case.device, case.probe)
        errors.setdefault(key, []).append(median(cost.seconds) / rough)
    return errors


def _rough_seconds(case: Case, task: Task) -> float:
    """The rough model: the calls and arithmetic of all time steps, compilation, and for the speed
    probe the warm-up and timing of three phases."""
    model = case.model
    updates = task.steps * 1.3 if case.probe == "learning" else UPDATES.get(case.probe, 100)
    products = model.gates * model.hidden * (model.inputs + model.hidden)
    step = STEP_S + 6 * task.batch * products / FLOPS
    timed = 3 * 2 * case.speed.phase_s if case.speed else 0.0
    if case.speed and ADVANCE in case.speed.phases:
        timed += LATENCY_S
    return COMPILE_S + updates * task.time * model.layers * model.directions * step + timed


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
