"""Launches: timed units one after the other, each in a fresh worker that is ready beforehand."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.plan.selection import BackendRegistry
from bench.plan.units import Unit
from bench.records import machine
from bench.run.environment import worker_environment
from bench.run.process import WorkerCommand, WorkerProcess, worker_arguments
from bench.run.runner import Runner, StartCommand

Work = Sequence[tuple[Runner, Unit]]
"""Units, each with the runner that runs it."""


async def run_launches(work: Work) -> None:
    """Run timed units in their order, never two at once, each in a fresh worker."""
    processors = machine.cpus()
    workers = await _ready_workers(work, processors)
    try:
        for (runner, unit), worker in zip(work, workers, strict=True):
            await runner.run_unit(unit, 0, processors[: unit.threads], worker)
    finally:
        for worker in filter(None, workers):
            await worker.kill()


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


async def _ready_workers(work: Work, processors: Sequence[int]) -> list[WorkerProcess | None]:
    """A worker for each unit that has imported its framework; none where there are processors for
    one unit only.

    Workers import side by side on different processors, because importing takes longer than timing
    and no clock runs yet. Then all move to the same processors and wait for their turn.
    """
    threads = work[0][1].threads
    slots = [processors[k : k + threads] for k in range(0, len(processors), threads)]
    slots = [slot for slot in slots if len(slot) == threads]
    if len(slots) < 2:
        return [None] * len(work)
    # Each side has two units, its own and the control, which import in the same slot.
    workers = await asyncio.gather(
        *(
            runner.start_ready(unit, slots[index // 2 % len(slots)])
            for index, (runner, unit) in enumerate(work)
        )
    )
    for worker in filter(None, workers):
        worker.move(slots[0])
    return workers
