"""How long cases will take: from earlier records of this machine, else from a rough model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.plan import Case, Unit
from bench.records import Record, RecordsError, RunFolder

START_S = 4.0
"""Starting a worker and importing a framework."""
CALL_S = 3e-4
"""One time step of one recurrent layer, forward and backward, by the rough model."""
COMPILE_S = 2.0


def history(root: Path) -> dict[str, list[float]]:
    """Seconds of earlier measured cases below a results folder, by what they measured."""
    found: dict[str, list[float]] = {}
    for file in sorted(root.glob("*/records.jsonl")):
        try:
            records = RunFolder(file.parent).records()
        except RecordsError:
            continue
        for record in records:
            if record.status == "ok":
                found.setdefault(_kind(Case(record.case)), []).append(record.wall_s)
    return found


def seconds(case: Case, known: Mapping[str, Sequence[float]], time_steps: int) -> float:
    """The median of earlier cases of the same kind; without any, the number of time steps times
    a constant, and compilation."""
    if earlier := known.get(_kind(case)):
        return median(earlier)
    updates = {"learning": case.steps * 1.3, "gradients": 3, "parity": 20, "memory": 10}
    rough = float(updates.get(case.probe, 100) * time_steps * case.layers * CALL_S)
    return COMPILE_S + rough


def total(units: Iterable[Unit], cost: Mapping[str, float], jobs: int) -> float:
    """Seconds for all units: the untimed ones share `jobs` workers, the timed ones do not."""
    untimed, timed = [], 0.0
    for unit in units:
        took = START_S + sum(cost[case.key] for case in unit.cases)
        if unit.timed:
            timed += took
        else:
            untimed.append(took)
    side_by_side = max(sum(untimed) / max(jobs, 1), max(untimed, default=0.0))
    return side_by_side + timed


def _kind(case: Case) -> str:
    """Cases that take about as long: those that differ in seed or launch alone."""
    own = {k: v for k, v in case.settings.items() if k not in ("seed", "launch")}
    return json.dumps(own, sort_keys=True)


def measured(records: Iterable[Record]) -> float:
    """Seconds that the cases of these records took inside the workers."""
    return sum(record.wall_s for record in records)
