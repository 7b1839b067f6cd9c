"""A live comparison: both sides proven, trained on the same seeds, then timed in pairs of fresh
processes, base then head and head then base in turn, never both at once.

What is measured goes into two run folders, `base` and `head`, as any run's does.
"""

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from bench.compare.checks import open_pairs, sound_pairs
from bench.compare.decision import Rule
from bench.compare.pairs import Pair, Sides
from bench.compare.sides import Plan, Side
from bench.plan.case import Case, model_key
from bench.plan.probes import TIMED_PROBES
from bench.plan.units import Unit, plan_units
from bench.records import machine
from bench.records.folder import RunFolder
from bench.run.display import SilentProgress
from bench.run.process import Limits, WorkerCommand, WorkerProcess
from bench.run.runner import Runner, StartCommand


@dataclass
class Half:
    """One side at work: its run, and a second one into the same folder for the control."""

    side: Side
    run: Runner
    control: Runner
    cases: Sequence[Case]

    def of(self, keys: set[str], launch: int) -> dict[tuple[str, str, int], list[Case]]:
        """The timed cases of some models at one launch, by what shares a process."""
        groups: dict[tuple[str, str, int], list[Case]] = {}
        for case in self.cases:
            if case.probe in TIMED_PROBES and case.model_key in keys:
                own = replace(case, launch=launch)
                groups.setdefault((case.backend, case.device, case.threads), []).append(own)
        return groups


@dataclass
class Comparison:
    """Base and head, measured into the folders `base` and `head` below `path`."""

    path: Path
    halves: tuple[Half, Half]
    rule: Rule
    deadline: float
    """By the monotonic clock: after it no round begins but to confirm what is flagged."""

    @classmethod
    def create(
        cls,
        path: Path,
        sides: tuple[Side, Side],
        plans: tuple[Plan, Plan],
        rule: Rule,
        start: Sequence[StartCommand],
        control: StartCommand,
        limits: Limits,
        budget_s: float,
        compiled: Path,
    ) -> "Comparison":
        """`compiled` is a folder for what a side's workers compile, of which there are many."""
        halves = []
        for side, plan, command in zip(sides, plans, start, strict=True):
            info = {**plan.info, "side": side.label, "missing": list(plan.missing)}
            folder = RunFolder.create(path, side.name, info)
            run = Runner(
                folder,
                _caching(command, compiled / side.name),
                limits,
                SilentProgress(),
                dict(info),
            )
            beside = Runner(folder, control, limits, SilentProgress(), run.info)
            halves.append(Half(side, run, beside, plan.cases))
        return cls(path, (halves[0], halves[1]), rule, monotonic() + budget_s)

    def sides(self) -> Sides:
        base, head = self.halves
        return Sides(
            base.run.folder.records(),
            head.run.folder.records(),
            base.run.folder.info(),
            head.run.folder.info(),
        )

    async def measure(self, jobs: int, say: Callable[[str], None]) -> None:
        """Everything: what runs no clock first, so that only what is right on both sides is
        timed; then round after round, the open cells alone after the first."""
        say("proof and learning")
        await self._untimed(jobs)
        pairs = sound_pairs(self.sides())
        for number in range(self.rule.rounds):
            if not pairs:
                return
            await self._round(number, pairs, say)
            late = monotonic() > self.deadline
            pairs = open_pairs(self.sides(), self.rule, flagged=late)

    async def _untimed(self, jobs: int) -> None:
        """Both sides at once, each on its own processors, where two workers may run; on a GPU
        one after the other, as any two workers there."""
        cpus = machine.cpus()
        alone = any(case.device != "cpu" for half in self.halves for case in half.cases)
        ways = 1 if alone or min(jobs, len(cpus)) < 2 else 2
        gate = asyncio.Semaphore(ways)

        async def one(half: Half, processors: Sequence[int]) -> None:
            async with gate:
                cases = [case for case in half.cases if case.probe not in TIMED_PROBES]
                found = plan_units(cases, random.Random(0))
                await half.run.run_all(found, max(1, jobs // ways), processors)

        async with asyncio.TaskGroup() as group:
            for k, half in enumerate(self.halves):
                group.create_task(one(half, cpus[k % ways :: ways]))

    async def _round(self, number: int, pairs: Sequence[Pair], say: Callable[[str], None]) -> None:
        for k in range(self.rule.pairs):
            launch = number * self.rule.pairs + k
            say(
                f"round {number + 1} of at most {self.rule.rounds}, "
                f"pair {k + 1} of {self.rule.pairs}, {len(pairs)} cells"
            )
            await self._pair(launch, pairs)

    async def _pair(self, launch: int, pairs: Sequence[Pair]) -> None:
        """Each backend's cells in one process a side, in an order that both sides share."""
        keys = [{_key(pair.base) for pair in pairs}, {_key(pair.head) for pair in pairs}]
        found = [half.of(own, launch) for half, own in zip(self.halves, keys, strict=True)]
        rng = random.Random(launch)
        groups = [group for group in found[0] if group in found[1]]
        rng.shuffle(groups)
        for group in groups:
            count = len(found[0][group])
            order = rng.sample(range(count), count)
            turns = [(self.halves[0], found[0][group]), (self.halves[1], found[1][group])]
            work = []
            for half, cases in turns if launch % 2 == 0 else reversed(turns):
                unit = Unit(*group, timed=True, cases=tuple(cases[k] for k in order))
                work += [(half.run, unit), (half.control, beside(half.control, unit))]
            await launches(work)


async def launches(work: Sequence[tuple[Runner, Unit]]) -> None:
    """Timed units one after the other, each in a fresh worker."""
    processors = machine.cpus()
    workers = await _ready(work, processors)
    try:
        for (run, unit), worker in zip(work, workers, strict=True):
            await run.run_unit(unit, 0, processors[: unit.threads], worker)
    finally:
        for worker in filter(None, workers):
            await worker.kill()


def beside(control: Runner, unit: Unit) -> Unit:
    """The control kernel, right after the cases of a launch."""
    case = replace(unit.cases[0], probe="control")
    control.gate_failures[case.model_key] = ""
    return Unit("numpy", "cpu", unit.threads, timed=True, cases=(case,))


async def _ready(
    work: Sequence[tuple[Runner, Unit]], processors: Sequence[int]
) -> list[WorkerProcess | None]:
    """Workers that import their framework side by side, where there are processors for it, then
    wait their turn on the same ones: importing takes longer than timing, and no clock runs."""
    threads = work[0][1].threads
    places = [processors[k : k + threads] for k in range(0, len(processors), threads)]
    places = [place for place in places if len(place) == threads]
    if len(places) < 2:
        return [None] * len(work)
    workers = await asyncio.gather(
        *(run.start_ready(unit, places[k // 2 % len(places)]) for k, (run, unit) in enumerate(work))
    )
    for worker in filter(None, workers):
        worker.move(places[0])
    return workers


def _cache(folder: Path) -> dict[str, str]:
    """JAX keeps what it compiled for the next process of the same side, unless told otherwise."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return {}
    return {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def _caching(command: StartCommand, folder: Path) -> StartCommand:
    """The same, with a folder for what the worker compiles."""

    def start(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        worker = command(unit, processors)
        return replace(worker, environment={**worker.environment, **_cache(folder)})

    return start


def _key(row: Any) -> str:
    return model_key(row.records[0].case)
