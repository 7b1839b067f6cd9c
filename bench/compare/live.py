"""Measure two sides live: parity and learning first, then speed in pairs of fresh processes.

The two processes of a pair take turns within each case, and never run at the same time. Which side
goes first alternates from pair to pair. What is measured goes into two run folders, `base` and
`head`, as any run's does.
"""

import asyncio
import random
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from time import monotonic
from typing import Protocol

from bench.compare.both_sides import BothSides
from bench.compare.build_evidence import build_evidence
from bench.compare.decision import Rule
from bench.compare.evidence import Evidence, MatchedRow
from bench.compare.judge import sound_rows, undecided_rows
from bench.compare.launches import control_unit, run_launches
from bench.compare.matching import SideRecords
from bench.compare.sides import Side, SidePlan
from bench.plan.case import Case, ProcessKey
from bench.plan.probes import TIMED_PROBES
from bench.plan.request import Request
from bench.plan.units import Unit, plan_units
from bench.records import machine
from bench.records.folder import RunFolder
from bench.records.inert import inert
from bench.run.display import format_duration
from bench.run.limits import Limits
from bench.run.runner import Progress, Runner
from bench.run.worker_command import StartCommand

SHOWN_ROWS = 3
"""Rows that the status line names."""


class ShowStatus(Protocol):
    """Shows the stage of a comparison, and the time left where it is known."""

    def __call__(self, stage: str, left: str = "") -> None: ...


@dataclass(frozen=True)
class MeasuredSide:
    """One side: its cases, its runner, and a second runner for the control with the same folder."""

    cases: Sequence[Case]
    runner: Runner
    control: Runner

    @classmethod
    def create(
        cls,
        root: Path,
        side: Side,
        plan: SidePlan,
        *,
        command: StartCommand,
        control: StartCommand,
        limits: Limits,
        asked: Request,
        progress: Progress,
    ) -> "MeasuredSide":
        """A side with a new run folder below `root`. `command` and `control` start its workers and
        the workers of the control; `asked` is what the user asked for."""
        info = {
            **plan.info,
            "side": inert(side.label),
            "missing": list(plan.missing),
            "features": dict(plan.features),
            "asked": dict(asked.values),
        }
        folder = RunFolder.create(root, side.name, info)
        runner = Runner(folder, command, limits, progress, dict(info))
        runner = replace(runner, asks_origin=side.guarded is not None and plan.tells_origin)
        control_runner = Runner(folder, control, limits, progress, runner.info)
        return cls(plan.cases, runner, control_runner)

    def timed_cases(self, model_keys: Set[str], launch: int) -> dict[ProcessKey, list[Case]]:
        """The timed cases of these models in one launch, by the process that they share."""
        groups: dict[ProcessKey, list[Case]] = {}
        for case in self.cases:
            if case.probe in TIMED_PROBES and case.model_key in model_keys:
                groups.setdefault(case.process_key, []).append(replace(case, launch=launch))
        return groups

    def untimed_cases(self) -> list[Case]:
        """The cases of the probes without a clock."""
        return [case for case in self.cases if case.probe not in TIMED_PROBES]

    def records(self) -> SideRecords:
        """Everything that this side has recorded so far."""
        return SideRecords(self.runner.folder.records(), self.runner.folder.info())


@dataclass(frozen=True)
class LiveComparison:
    """Two sides that are measured now. After `deadline`, by the monotonic clock, no round begins
    except to confirm a flag."""

    sides: BothSides[MeasuredSide]
    rule: Rule
    deadline: float

    def records(self) -> BothSides[SideRecords]:
        """What both sides have recorded so far."""
        return self.sides.map(lambda side: side.records())

    def evidence(self) -> Evidence:
        """The evidence in the records so far."""
        return build_evidence(self.records(), live=True)

    async def measure(self, jobs: int, show_status: ShowStatus) -> None:
        """Measure everything. The probes without a clock come first, so that only sound rows are
        timed. Each round times the rows that the rounds before it left undecided."""
        show_status("parity and learning")
        await self._measure_untimed(jobs)
        if not any(case.probe in TIMED_PROBES for side in self.sides for case in side.cases):
            return
        rows = sound_rows(self.evidence())
        pair_seconds: list[float] = []
        for number in range(self.rule.rounds):
            if not rows:
                return
            await self._measure_round(number, rows, pair_seconds, show_status)
            late = monotonic() > self.deadline
            rows = undecided_rows(self.evidence(), self.rule, flagged_only=late)

    async def _measure_untimed(self, jobs: int) -> None:
        """Run the probes without a clock: both sides at once, each on its own processors, where two
        workers may run. A GPU has one worker at a time, so there one side follows the other."""
        processors = machine.cpus()
        on_gpu = any(case.device != "cpu" for side in self.sides for case in side.cases)
        concurrent = 1 if on_gpu or min(jobs, len(processors)) < 2 else 2
        slots = asyncio.Semaphore(concurrent)

        async def measure_side(side: MeasuredSide, side_processors: Sequence[int]) -> None:
            async with slots:
                units = plan_units(side.untimed_cases(), random.Random(0))
                await side.runner.run_all(units, max(1, jobs // concurrent), side_processors)

        async with asyncio.TaskGroup() as group:
            for index, side in enumerate(self.sides):
                share = processors[index % concurrent :: concurrent]
                group.create_task(measure_side(side, share))

    async def _measure_round(
        self,
        number: int,
        rows: Sequence[MatchedRow],
        pair_seconds: list[float],
        show_status: ShowStatus,
    ) -> None:
        """Time these rows in pairs, and append how long each pair took to `pair_seconds`."""
        pairs = self.rule.pairs
        for pair in range(pairs):
            launch, start = number * pairs + pair, monotonic()
            stage = (
                f"round {number + 1} of at most {self.rule.rounds}, "
                f"pair {pair + 1} of {pairs}; open: {_few_labels(rows)}"
            )
            show_status(stage, time_left(self.rule, launch, pair_seconds))
            await self._measure_pair(launch, rows)
            pair_seconds.append(monotonic() - start)

    async def _measure_pair(self, launch: int, rows: Sequence[MatchedRow]) -> None:
        """One launch of each side. The rows of one backend share a process, in a random order that
        is the same on both sides."""
        base = self.sides.base.timed_cases({row.model_keys.base for row in rows}, launch)
        head = self.sides.head.timed_cases({row.model_keys.head for row in rows}, launch)
        rng = random.Random(launch)
        groups = [group for group in base if group in head]
        rng.shuffle(groups)
        for group in groups:
            order = rng.sample(range(len(base[group])), len(base[group]))
            turns = [(self.sides.base, base[group]), (self.sides.head, head[group])]
            work: list[tuple[Runner, Unit]] = []
            controls: list[tuple[Runner, Unit]] = []
            for side, cases in turns if launch % 2 == 0 else reversed(turns):
                unit = Unit(*group, timed=True, cases=tuple(cases[index] for index in order))
                work.append((side.runner, unit))
                controls.append((side.control, control_unit(side.control, unit)))
            await run_launches(work, controls)


def time_left(rule: Rule, launch: int, pair_seconds: Sequence[float]) -> str:
    """The time to the end of this round and to that of the last one, before a pair with this
    number, at the pace of the pairs so far; empty before the first pair."""
    if not pair_seconds:
        return ""
    pace = fmean(pair_seconds)
    rounds = (launch // rule.pairs + 1, rule.rounds)
    left = [pace * (number * rule.pairs - launch) for number in rounds]
    return " to ".join(dict.fromkeys(map(format_duration, left)))


def _few_labels(rows: Sequence[MatchedRow]) -> str:
    """The labels of the first rows, and how many more there are."""
    labels = [row.label for row in rows]
    more = [f"{len(labels) - SHOWN_ROWS} more"] if len(labels) > SHOWN_ROWS else []
    return ", ".join([*labels[:SHOWN_ROWS], *more])
