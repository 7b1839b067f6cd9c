"""Measures cases and appends their records to the folder of a run."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.plan.case import Case, model_key
from bench.plan.estimate import START_S, Work, estimate_seconds
from bench.plan.past_costs import PastCosts, past_costs
from bench.plan.selection import Registry
from bench.plan.units import Unit, longest_first
from bench.records import machine
from bench.records.folder import RunFolder
from bench.records.planned import planned_digests
from bench.run.budget import next_launch
from bench.run.completion import run_to_completion
from bench.run.display import run_display
from bench.run.environment import worker_environment
from bench.run.heartbeat import SystemClock
from bench.run.limits import Limits
from bench.run.pace import Pace
from bench.run.runner import Runner
from bench.run.worker_command import WorkerCommand, worker_arguments


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


def earlier_costs(entry: Path, root: Path) -> list[PastCosts]:
    """The costs in the published runs of the checkout of `entry`, and in the runs below `root`."""
    return [past_costs(entry.parent / "results"), past_costs(root)]


def planned_work(
    cases: Sequence[Case], units: Sequence[Unit], tasks: Registry, past: Sequence[PastCosts]
) -> Work:
    """The work of these units, which hold the cases, with its expected times."""
    costs = estimate_seconds(cases, tasks, past)
    seconds = {c.key: s for c, s in zip(cases, costs, strict=True)}
    return Work(cases, seconds, longest_first(units, seconds))


def run_work(
    folder: RunFolder,
    work: Work,
    workers: Workers,
    budget_s: float = 0.0,
    planned: Sequence[Case] = (),
) -> float:
    """Measure, and append the records to a locked folder; return the elapsed seconds.

    While there is time left of the budget, models of the `planned` cases get more launches.
    `planned` are all cases of the run, also those that are recorded already; they are noted
    in `run.json`.
    """
    start, clock = perf_counter(), SystemClock()
    pace = Pace(work.seconds, work.total_seconds(workers.jobs), clock, budget_s)
    with run_display(pace, clock) as progress:
        runner = Runner(folder, workers.command, workers.limits, progress, folder.info())
        proven_again = {case.key for case in work.cases}
        for record in folder.records():
            if record.key not in proven_again:
                runner.note_parity(record)
        _note_planned(runner, planned)
        run_to_completion(runner.run_all(work.units, workers.jobs))
        models = {case.model_key for case in planned}
        run_to_completion(_spend_budget(runner, start + budget_s, models))
    seconds = perf_counter() - start
    runner.info.setdefault("sessions_s", []).append(seconds)
    folder.write_info(runner.info)
    _note_planned(runner, planned)
    return seconds


def _note_planned(runner: Runner, planned: Sequence[Case]) -> None:
    """Note in `run.json` which cases the run has when it is finished."""
    if planned:
        recorded = {record.key for record in runner.folder.records()}
        keys = recorded | {case.key for case in planned}
        runner.info |= {"planned": len(keys), "planned_cases": planned_digests(keys)}
        runner.folder.write_info(runner.info)


async def _spend_budget(runner: Runner, deadline: float, models: Collection[str]) -> None:
    """Run more launches of these models where the intervals are widest, until none fits into the
    time left. A record of another model may name any code: the folder can come from elsewhere."""
    rng, processors = np.random.default_rng(0), machine.cpus()
    while (seconds_left := deadline - perf_counter()) > 0:
        records = [r for r in runner.folder.records() if model_key(r.case) in models]
        unit = next_launch(records, seconds_left, rng, START_S)
        if unit is None:
            return
        await runner.run_unit(unit, 0, processors[: unit.threads])
