"""Measures cases and appends their records to the folder of a run."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.plan.case import Case
from bench.plan.cases import Selection
from bench.plan.estimate import START_S, estimate_seconds, past_costs
from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.records import machine
from bench.records.folder import RunFolder
from bench.run.budget import next_launch
from bench.run.display import LiveProgress, SilentProgress
from bench.run.environment import worker_environment
from bench.run.process import Limits, WorkerCommand, worker_arguments
from bench.run.runner import Runner, run_to_completion


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How worker processes are started, their limits, and how many run side by side."""

    entry: Path
    """The program that starts a worker."""
    backends: Registry
    limits: Limits
    jobs: int

    def command(self, unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        """The command that starts the worker of a unit on these processors."""
        return WorkerCommand(
            [sys.executable, str(self.entry), *worker_arguments(unit.backend, processors)],
            worker_environment(self.backends, unit.backend, len(processors)),
        )


def remaining_cases(folder: RunFolder, cases: Sequence[Case]) -> list[Case]:
    """The cases that the folder has no record of."""
    recorded = {record.key for record in folder.records()}
    return [case for case in cases if case.key not in recorded]


def case_costs(cases: Sequence[Case], selections: Sequence[Selection], root: Path) -> list[float]:
    """The seconds that each case is expected to take, from the earlier runs below `root`."""
    task_types = {name: type(task) for chosen in selections for name, task in chosen.tasks}
    return estimate_seconds(cases, task_types, past_costs(root))


def run_units(
    folder: RunFolder,
    cases: Sequence[Case],
    costs: Sequence[float],
    units: Sequence[Unit],
    workers: Workers,
    budget_s: float = 0.0,
) -> float | None:
    """Run these units, which hold the cases, and append the records to a locked folder.

    `costs` is the expected time of each case. Return the elapsed seconds, or None if the user
    interrupted the run.
    """
    start = perf_counter()
    with LiveProgress(cases, costs) if sys.stderr.isatty() else SilentProgress() as progress:
        runner = Runner(folder, workers.command, workers.limits, progress, folder.info())
        for record in folder.records():
            runner.note_parity(record)
        try:
            run_to_completion(runner.run_all(units, workers.jobs))
            run_to_completion(_spend_budget(runner, start + budget_s))
        except KeyboardInterrupt:
            return None
    seconds = perf_counter() - start
    runner.info.setdefault("sessions_s", []).append(seconds)
    folder.write_info(runner.info)
    return seconds


async def _spend_budget(runner: Runner, deadline: float) -> None:
    """Run more launches where the intervals are widest, until none fits into the time left."""
    rng, processors = np.random.default_rng(0), machine.cpus()
    while (seconds_left := deadline - perf_counter()) > 0:
        unit = next_launch(runner.folder.records(), seconds_left, rng, START_S)
        if unit is None:
            return
        await runner.run_unit(unit, 0, processors[: unit.threads])
