"""How long cases will take: from earlier records of this machine, else from a rough model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.plan import Case, Unit
from bench.records import RecordsError, RunFolder
from bench.spec import Task

START_S = 4.0
"""Starting a worker and importing a framework."""
CALL_S = 3e-4
"""One time step of one recurrent layer, forward and backward, by the rough model."""
COMPILE_S = 2.0
UPDATES: Mapping[str, float] = {"gradients": 3, "lengths": 50, "parity": 20, "memory": 10}
"""Updates that a case costs; learning costs those of its task, speed about a hundred."""


def history(root: Path) -> dict[str, list[float]]:
    """Seconds of earlier measured cases below a results folder, by what they measured."""
    found: dict[str, list[float]] = {}
    for folder in RunFolder.all(root):
        try:
            records = folder.records()
        except RecordsError:
            continue
        for record in records:
            if record.status == "ok":
                found.setdefault(kind(Case(record.case)), []).append(record.wall_s)
    return found


def kind(case: Case) -> str:
    """Cases that take about as long: those that differ in seed or launch alone."""
    own = {k: v for k, v in case.settings.items() if k not in ("seed", "launch")}
    return json.dumps(own, sort_keys=True)


def seconds(case: Case, known: Mapping[str, Sequence[float]], task: Task) -> float:
    """The median of earlier cases of the same kind; without any, the number of time steps times
    a constant, compilation, and what the three timed phases may take to warm up and to time."""
    if earlier := known.get(kind(case)):
        return median(earlier)
    updates = task.steps * 1.3 if case.probe == "learning" else UPDATES.get(case.probe, 100)
    timed = 3 * 2 * float(case.settings.get("phase_s", 0.0))
    return COMPILE_S + updates * task.time * case.model.layers * CALL_S + timed


def total(units: Iterable[Unit], cost: Mapping[str, float], jobs: int) -> float:
    """Seconds for all units: the untimed ones share `jobs` workers, those of one backend and
    device after each other; the timed ones have the machine to themselves."""
    chains: dict[tuple[str, str], float] = {}
    timed = 0.0
    for unit in units:
        took = START_S + sum(cost[case.key] for case in unit.cases)
        if unit.timed:
            timed += took
        else:
            chain = (unit.backend, unit.device)
            chains[chain] = chains.get(chain, 0.0) + took
    side_by_side = max(sum(chains.values()) / max(jobs, 1), max(chains.values(), default=0.0))
    return side_by_side + timed
