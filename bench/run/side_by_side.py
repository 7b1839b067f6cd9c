"""Runs untimed units side by side, each on one processor."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext

from bench.plan.units import Unit

RunUnit = Callable[[Unit, int, Sequence[int]], Awaitable[None]]
"""Runs a unit in a slot, on these processors. Slots number the workers that run side by side."""


async def run_side_by_side(
    units: Sequence[Unit], jobs: int, processors: Sequence[int], run_unit: RunUnit
) -> None:
    """Run units side by side, at most one for each processor and `jobs` in all.

    A unit waits for the first unit of its backend and device if that one proves its models. A
    device other than the CPU has one worker at a time.
    """
    slots: asyncio.Queue[int] = asyncio.Queue()
    for slot in range(max(1, min(jobs, len(processors)))):
        slots.put_nowait(slot)
    locks = {unit.device: asyncio.Lock() for unit in units if unit.device != "cpu"}

    async def run_in_slot(unit: Unit) -> None:
        async with locks.get(unit.device, nullcontext()):
            slot = await slots.get()
            try:
                await run_unit(unit, slot, processors[slot : slot + 1])
            finally:
                slots.put_nowait(slot)

    async def run_after_proof(first: Unit, *others: Unit) -> None:
        proof = group.create_task(run_in_slot(first))
        for unit in sorted(others, key=lambda unit: unit.waits_for(first)):
            if unit.waits_for(first):
                await proof
            group.create_task(run_in_slot(unit))

    async with asyncio.TaskGroup() as group:
        for unit_group in _by_backend_and_device(units):
            group.create_task(run_after_proof(*unit_group))


def _by_backend_and_device(units: Iterable[Unit]) -> list[list[Unit]]:
    groups: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        groups.setdefault((unit.backend, unit.device), []).append(unit)
    return list(groups.values())
