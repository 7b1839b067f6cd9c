"""Hands cases to worker processes, keeps the gate, and writes the records.

Only this process writes. Whatever happens to a worker costs the case it had in hand: the case is
recorded as failed with what is known of the cause, and a fresh worker goes on with the rest.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bench.plan.cases import GATE, IMPORT_PROBE, UNPROVEN, Case, Unit
from bench.records import machine
from bench.records.folder import Record, RecordsError, RunFolder, check_record
from bench.run.process import Limits, WorkerProcess, answer_without_numbers


class Progress(Protocol):
    """Told what goes on."""

    def began(self, slot: int, case: Case) -> None: ...
    def ended(self, slot: int, case: Case, record: Record) -> None: ...


def run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Run it. Of what units that ran side by side met with the disk, the first is raised."""
    try:
        asyncio.run(work)
    except ExceptionGroup as group:
        storage, other = group.split(RecordsError)
        raise (other or storage.exceptions[0]) from None  # type: ignore[union-attr]


@dataclass
class Runner:
    """One invocation: where it writes, how it starts a worker, and what is proven so far."""

    folder: RunFolder
    command: Callable[[Unit, Sequence[int]], Sequence[str]]
    limits: Limits
    progress: Progress
    info: dict[str, Any]
    gate_failures: dict[str, str] = field(default_factory=dict)
    """Why the parity gate is shut, empty where it is open, by the case's model key."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of its workers, beside what they inherit."""

    def note_parity(self, record: Record) -> None:
        """Open or shut the gate according to a parity record."""
        if record.probe == GATE:
            reason = record.reason or record.status
            why = {"ok": "", "skipped": reason}.get(record.status, UNPROVEN + reason)
            self.gate_failures[Case(record.case).model_key] = why

    async def all(
        self, units: Sequence[Unit], jobs: int, processors: Sequence[int] | None = None
    ) -> None:
        """Untimed units side by side, one processor each; then the timed ones, alone. Of one
        backend and device the first unit goes ahead of those whose models it proves."""
        processors = machine.cpus() if processors is None else processors
        slots: asyncio.Queue[int] = asyncio.Queue()
        for slot in range(max(1, min(jobs, len(processors)))):
            slots.put_nowait(slot)
        chains: dict[tuple[str, str], list[Unit]] = {}
        for unit in units:
            if not unit.timed:
                chains.setdefault((unit.backend, unit.device), []).append(unit)
        devices = {device: asyncio.Lock() for _, device in chains if device != "cpu"}

        async def untimed(unit: Unit) -> None:
            async with devices.get(unit.device, nullcontext()):
                slot = await slots.get()
                try:
                    await self.unit(unit, slot, processors[slot : slot + 1])
                finally:
                    slots.put_nowait(slot)

        async def in_turn(first: Unit, *others: Unit) -> None:
            proof = group.create_task(untimed(first))
            for unit in sorted(others, key=lambda unit: unit.waits_for(first)):
                if unit.waits_for(first):
                    await proof
                group.create_task(untimed(unit))

        async with asyncio.TaskGroup() as group:
            for chain in chains.values():
                group.create_task(in_turn(*chain))
        for unit in units:
            if unit.timed:
                await self.unit(unit, 0, processors[: unit.threads])

    async def start_ready(self, unit: Unit, processors: Sequence[int]) -> WorkerProcess | None:
        """A worker for a unit, which has imported its framework; None where none could be
        started. Of a worker too old to know what is asked, what it answers is of no account."""
        try:
            worker = await self._start(unit, processors)
        except OSError:
            return None
        await worker.ask(Case({**unit.cases[0].settings, "probe": IMPORT_PROBE}))
        return worker

    async def unit(
        self, unit: Unit, slot: int, processors: Sequence[int], worker: WorkerProcess | None = None
    ) -> None:
        """Every case of a unit, in as many worker processes as it takes, the first of which may
        be there already."""
        try:
            for case in unit.cases:
                if shut := self._gate(case):
                    self.write(slot, case, answer_without_numbers("skipped", shut))
                    continue
                self.progress.began(slot, case)
                try:
                    if worker is None or not worker.alive:
                        worker = await self._start(unit, processors)
                    answer = await worker.ask(case)
                except OSError as error:
                    answer = answer_without_numbers(
                        "failed", f"no worker could be started: {error}"
                    )
                self.write(slot, case, answer)
        finally:
            if worker:
                await worker.kill()  # it has nothing to keep, and frameworks take long to end

    async def _start(self, unit: Unit, processors: Sequence[int]) -> WorkerProcess:
        name = f"{Path(unit.backend).stem}-{unit.device.replace(':', '-')}"
        command, logs = self.command(unit, processors), self.folder.path / "workers"
        return await WorkerProcess.start(
            command, len(processors), logs, name, self.limits, self.environment
        )

    def _gate(self, case: Case) -> str:
        """Why a case must not be measured: its model is not proven equal; or nothing."""
        if case.probe == GATE:
            return ""
        return self.gate_failures.get(case.model_key, UNPROVEN + "no parity record")

    def write(self, slot: int, case: Case, answer: Mapping[str, Any]) -> None:
        """Append the record of a case; an answer that makes no valid record makes a failed one."""
        started = datetime.fromtimestamp(answer["started"], UTC).isoformat(timespec="milliseconds")
        record = Record(
            run=self.folder.id,
            case=dict(case.settings),
            status=answer["status"],
            reason=answer["reason"],
            probe=case.probe,
            environment=self._environment(answer["environment"]),
            started=started,
            wall_s=answer["wall_s"],
            metrics=answer["metrics"],
            samples=answer["samples"],
        )
        try:
            check_record(record)
        except ValueError as error:
            reason = f"no valid result: {error}"
            record = replace(record, status="failed", reason=reason, metrics={}, samples={})
        self.folder.append(record)
        self.note_parity(record)
        self.progress.ended(slot, case, record)

    def _environment(self, found: Mapping[str, Any]) -> str | None:
        if not found:
            return None
        name = machine.identifier(found)
        known = self.info.setdefault("environments", {})
        if name not in known:
            known[name] = found
            self.folder.write_info(self.info)
        return name
