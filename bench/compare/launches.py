"""Launches: the timed units of both sides in alternation, in fresh workers that are ready
beforehand."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.plan.selection import BackendRegistry
from bench.plan.units import Unit
from bench.records import machine
from bench.run.environment import worker_environment
from bench.run.process import WorkerProcess
from bench.run.ready_workers import TimedWork, ready_workers
from bench.run.runner import Runner
from bench.run.turns import alternate
from bench.run.unit_workers import UnitWorkers
from bench.run.worker_command import StartCommand, WorkerCommand, worker_arguments


async def run_launches(work: TimedWork, controls: TimedWork) -> None:
    """Run one launch of each side, then the control of each side; never two at once. All units of
    `work` have equally many cases.

    The sides take turns within each case, the first of `work` first. Where a side is measured by a
    checkout too old to take turns, one side follows the other.
    """
    processors = machine.cpus()
    async with ready_workers([*work, *controls], processors) as workers:
        await _run(work, workers[: len(work)], processors)
        await _run(controls, workers[len(work) :], processors)


def control_command(backends: BackendRegistry, entry: Path) -> StartCommand:
    """How to start a worker that times the control: always this checkout's reference."""

    def start(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        name = backends.REFERENCE
        return WorkerCommand(
            [sys.executable, str(entry), *worker_arguments(name, processors)],
            worker_environment(backends, name, len(processors)),
        )

    return start


def control_unit(control: Runner, unit: Unit, backend: str = "control") -> Unit:
    """The unit that times the control, to run right after this unit. No parity gate applies to the
    control, so its model counts as proven."""
    case = replace(unit.cases[0], probe="control")
    control.gate_failures[case.model_key] = ""
    return Unit(backend, "cpu", unit.threads, timed=True, cases=(case,))


async def _run(
    work: TimedWork, workers: Sequence[WorkerProcess | None], processors: Sequence[int]
) -> None:
    if all(worker and worker.takes_turns for worker in workers):
        await _run_in_turns(work, workers, processors)
    else:
        for (runner, unit), worker in zip(work, workers, strict=True):
            await runner.run_unit(unit, 0, processors[: unit.threads], worker)


async def _run_in_turns(
    work: TimedWork, workers: Sequence[WorkerProcess | None], processors: Sequence[int]
) -> None:
    sides = [
        UnitWorkers(runner, unit, 0, processors[: unit.threads], worker)
        for (runner, unit), worker in zip(work, workers, strict=True)
    ]
    try:
        for cases in zip(*(side.unit.cases for side in sides), strict=True):
            pairs = zip(sides, cases, strict=True)
            await alternate(side.run(case, in_turns=True) for side, case in pairs)
        for side in sides:
            await side.end()
    finally:
        for side in sides:
            await side.kill()
