"""How long cases will take: from earlier records of this machine, else from a rough model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.plan.cases import Case, Unit
from bench.records.folder import RecordsError, RunFolder
from bench.spec import Task, Unavailable

START_S = 4.0
"""Starting a worker and importing a framework."""
STEP_S = 2e-5
"""One time step of one recurrent layer, forward and backward, by the rough model: its calls."""
FLOPS = 3.5e10
"""Floating-point operations a second, by the rough model."""
COMPILE_S = 2.0
UPDATES: Mapping[str, float] = {"gradients": 3, "lengths": 50, "parity": 20, "memory": 10}
"""Updates that a case costs; learning costs those of its task, speed about a hundred."""


def past_seconds(root: Path) -> dict[str, list[float]]:
    """Seconds of earlier measured cases below a results folder, by what they measured."""
    found: dict[str, list[float]] = {}
    for folder in RunFolder.all(root):
        try:
            records = folder.records()
        except RecordsError:
            continue
        for record in records:
            if record.status == "ok":
                found.setdefault(cost_group(Case(record.case)), []).append(record.wall_s)
    return found


def cost_group(case: Case) -> str:
    """Cases that take about as long: those that differ in seed or launch alone."""
    own = {k: v for k, v in case.settings.items() if k not in ("seed", "launch")}
    return json.dumps(own, sort_keys=True)


def estimate_seconds(
    planned: Sequence[Case], templates: Mapping[str, Task], known: Mapping[str, Sequence[float]]
) -> list[float]:
    """Of each case the median of earlier ones of the same kind; without any, the rough model times
    what it was wrong by for the backend's other cases. `templates` holds a task of each name."""
    wrong = _wrong_by(templates, known)

    def expected(case: Case) -> float:
        if earlier := known.get(cost_group(case)):
            return median(earlier)
        errors = wrong.get((case.backend, case.device, case.probe), [1.0])
        return median(errors) * _rough(case, case.with_task(templates[case.task]))

    return [expected(case) for case in planned]


def _wrong_by(
    templates: Mapping[str, Task], known: Mapping[str, Sequence[float]]
) -> dict[tuple[str, str, str], list[float]]:
    """How many times as long as by the rough model the kinds of a backend's cases took."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for text, earlier in known.items():
        case = Case(json.loads(text))
        if case.task not in templates:
            continue
        try:
            rough = _rough(case, case.with_task(templates[case.task]))
        except (Unavailable, ValueError, KeyError):  # its data are gone, or an older version's
            continue
        place = (case.backend, case.device, case.probe)
        found.setdefault(place, []).append(median(earlier) / rough)
    return found


def _rough(case: Case, task: Task) -> float:
    """The time steps' calls and arithmetic, compilation, and what the three timed phases may take
    to warm up and to time."""
    model = case.model
    updates = task.steps * 1.3 if case.probe == "learning" else UPDATES.get(case.probe, 100)
    products = model.gates * model.hidden * (model.inputs + model.hidden)
    step = STEP_S + 6 * task.batch * products / FLOPS
    timed = 3 * 2 * float(case.settings.get("phase_s", 0.0))
    return COMPILE_S + updates * task.time * model.layers * model.directions * step + timed


def estimate_total(units: Iterable[Unit], cost: Mapping[str, float], jobs: int) -> float:
    """Seconds for all units: the untimed ones share `jobs` workers, the first of a backend and
    device ahead of those that wait for it; the timed ones have the machine to themselves."""
    firsts: dict[tuple[str, str], tuple[Unit, float]] = {}
    untimed, ends, timed = 0.0, [0.0], 0.0
    for unit in units:
        took = START_S + sum(cost[case.key] for case in unit.cases)
        if unit.timed:
            timed += took
            continue
        first, ahead = firsts.setdefault((unit.backend, unit.device), (unit, took))
        untimed += took
        ends.append(took + (ahead if unit.waits_for(first) else 0.0))
    return max(untimed / max(jobs, 1), *ends) + timed
