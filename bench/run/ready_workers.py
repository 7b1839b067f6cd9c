"""Workers that are ready to be timed: they import their frameworks side by side beforehand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bench.plan.units import Unit
from bench.run.process import WorkerProcess

if TYPE_CHECKING:
    from bench.run.runner import Runner

TimedWork = Sequence[tuple["Runner", Unit]]
"""Timed units with the same number of threads, each with the runner that runs it."""
MOST_READY = 4
"""Workers of a run that are ready at the same time: each holds the memory of its framework."""


@asynccontextmanager
async def ready_workers(
    work: TimedWork, processors: Sequence[int]
) -> AsyncIterator[list[WorkerProcess | None]]:
    """A worker for each unit that has imported its framework; None where it does not start.

    Workers import side by side, on different processors where there are enough, because importing
    takes long and no clock runs yet. Then all move to the same processors, and each is stopped
    until its first case. They are killed when the context ends.
    """
    threads = work[0][1].threads
    slots = [processors[k : k + threads] for k in range(0, len(processors), threads)]
    slots = [slot for slot in slots if len(slot) == threads] or [processors]
    workers: list[WorkerProcess | None] = [None] * len(work)

    async def prepare(index: int, runner: "Runner", unit: Unit) -> None:
        workers[index] = worker = await runner.start_ready(unit, slots[index % len(slots)])
        if worker:
            worker.move(slots[0])

    try:
        async with asyncio.TaskGroup() as group:
            for index, (runner, unit) in enumerate(work):
                group.create_task(prepare(index, runner, unit))
        yield workers
    finally:
        for worker in filter(None, workers):
            await worker.kill()


def ready_together(units: Sequence[Unit], jobs: int) -> list[list[Unit]]:
    """Timed units in their order, in groups whose workers are ready at the same time.

    Where only one job runs at a time, and on a device other than the CPU, whose memory is for one
    worker alone, each group has one unit.
    """
    groups: list[list[Unit]] = []
    for unit in units:
        last = groups[-1][-1] if groups else None
        alike = last and (last.device, last.threads) == (unit.device, unit.threads)
        if alike and unit.device == "cpu" and jobs > 1 and len(groups[-1]) < MOST_READY:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return groups
