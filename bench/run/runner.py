"""Sends cases to worker processes, skips models that the parity gate rejects, writes the records.

Only this process writes. A worker that dies, hangs or answers nonsense fails its current case: the
record says why, and a fresh worker continues with the next case.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bench.plan.case import Case, model_key
from bench.plan.probes import GATE, IMPORT_PROBE, ORIGIN_PROBE, UNPROVEN
from bench.plan.units import Unit
from bench.records import machine
from bench.records.folder import RecordsError, RunFolder
from bench.records.inert import inert
from bench.records.record import Record, without_nonfinite
from bench.records.record_check import check_fields
from bench.run.answer import answer_without_numbers
from bench.run.process import Limits, WorkerCommand, WorkerProcess
from bench.run.side_by_side import run_side_by_side
from bench.run.turns import TAKES_TURNS

StartCommand = Callable[[Unit, Sequence[int]], WorkerCommand]
"""Returns the command that starts the worker of a unit on these processors."""


class Progress(Protocol):
    """Shows the progress of a run. `slot` numbers the workers that run side by side."""

    def case_started(self, slot: int, case: Case) -> None: ...
    def case_finished(self, slot: int, case: Case, record: Record) -> None: ...
    def unit_finished(self, slot: int, unit: Unit) -> None: ...


def run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine. If several units failed to write, raise only the first `RecordsError`."""
    try:
        asyncio.run(work)
    except ExceptionGroup as group:
        storage, others = group.split(RecordsError)
        raise (others or storage.exceptions[0]) from None  # type: ignore[union-attr]


@dataclass
class Runner:
    """Runs the units of one invocation; knows which models the parity gate has accepted."""

    folder: RunFolder
    command: StartCommand
    limits: Limits
    progress: Progress
    info: dict[str, Any]
    """The contents of `run.json`."""
    gate_failures: dict[str, str] = field(default_factory=dict)
    """Why a model must not be measured, by its key; empty for a model that is proven equal."""
    asks_origin: bool = False
    """Whether workers are asked which of their files are not their side's own."""

    def note_parity(self, record: Record) -> None:
        """Remember the verdict of a parity record on its model."""
        if record.probe == GATE:
            reason = record.reason or record.status
            failure = {"ok": "", "skipped": reason}.get(record.status, UNPROVEN + reason)
            self.gate_failures[model_key(record.case)] = failure

    async def run_all(
        self, units: Sequence[Unit], jobs: int, processors: Sequence[int] | None = None
    ) -> None:
        """Run the untimed units side by side, one processor each; then the timed ones in turn."""
        processors = machine.cpus() if processors is None else processors
        untimed = [unit for unit in units if not unit.timed]
        await run_side_by_side(untimed, jobs, processors, self.run_unit)
        for unit in units:
            if unit.timed:
                await self.run_unit(unit, 0, processors[: unit.threads])

    async def start_ready(self, unit: Unit, processors: Sequence[int]) -> WorkerProcess | None:
        """Start a worker for a unit and let it import its framework; None if it does not start."""
        try:
            worker = await self.start(unit, processors)
        except OSError:
            return None
        # An older worker may not know the `import` probe; it then takes no turns either.
        answer = await worker.ask(replace(unit.cases[0], probe=IMPORT_PROBE))
        worker.takes_turns = bool(answer["metrics"].get(TAKES_TURNS))
        return worker

    async def run_unit(
        self, unit: Unit, slot: int, processors: Sequence[int], worker: WorkerProcess | None = None
    ) -> None:
        """Run every case of a unit; a worker that died is replaced for the next case.

        `worker` is the first worker, if it was started already.
        """
        workers = UnitWorkers(self, unit, slot, processors, worker)
        try:
            await workers.run_all()
        finally:
            await workers.kill()

    async def note_origin(self, unit: Unit, worker: WorkerProcess) -> None:
        """Note in `run.json` which files of the worker are not its side's own. It is asked last,
        because imports can be late."""
        answer = await worker.ask(replace(unit.cases[-1], probe=ORIGIN_PROBE))
        if answer["status"] != "ok":
            self.info.setdefault("foreign_files", {}).setdefault(unit.backend, answer["reason"])
            self.folder.write_info(self.info)

    async def start(self, unit: Unit, processors: Sequence[int]) -> WorkerProcess:
        """Start a worker for a unit on these processors."""
        name = f"{Path(unit.backend).stem}-{unit.device.replace(':', '-')}"
        command, logs = self.command(unit, processors), self.folder.path / "workers"
        return await WorkerProcess.start(command, logs, name, self.limits)

    def gate_failure(self, case: Case) -> str:
        """Why a case must not be measured; empty if its model is proven equal."""
        if case.probe == GATE:
            return ""
        return self.gate_failures.get(case.model_key, UNPROVEN + "no parity record")

    def write(self, slot: int, case: Case, answer: Mapping[str, Any]) -> bool:
        """Append the record of a case; return whether the answer was valid. An invalid answer
        becomes a failed record."""
        valid = True
        started = datetime.fromtimestamp(answer["started"], UTC).isoformat(timespec="milliseconds")
        record = Record(
            run=self.folder.id,
            case=case.flat(),
            status=answer["status"],
            reason=answer["reason"] and inert(answer["reason"]),
            probe=case.probe,
            environment=self._environment_name(answer["environment"]),
            started=started,
            wall_s=answer["wall_s"],
            metrics=without_nonfinite(answer["metrics"]),
            samples=without_nonfinite(answer["samples"]),
            traceback=answer["traceback"],
        )
        try:
            check_fields(record)
        except ValueError as error:
            valid, reason = False, f"no valid result: {error}"
            record = replace(record, status="failed", reason=reason, metrics={}, samples={})
        self.folder.append(record)
        self.note_parity(record)
        self.progress.case_finished(slot, case, record)
        return valid

    def _environment_name(self, environment: Mapping[str, Any]) -> str | None:
        """The name of an environment in `run.json`; a new environment is added to the file."""
        if not environment:
            return None
        name = machine.identifier(environment)
        environments = self.info.setdefault("environments", {})
        if name not in environments:
            environments[name] = environment
            self.folder.write_info(self.info)
        return name


@dataclass
class UnitWorkers:
    """The workers of one unit: one at a time, a new one after one that died."""

    runner: Runner
    unit: Unit
    slot: int
    processors: Sequence[int]
    worker: WorkerProcess | None = None

    async def run_all(self) -> None:
        """Run all cases of the unit, one after the other."""
        for case in self.unit.cases:
            async for _ in self.run(case):
                pass
        self.runner.progress.unit_finished(self.slot, self.unit)
        await self.end()

    async def end(self) -> None:
        """Ask the worker, where that was asked for, which of its files are not its side's own."""
        if self.runner.asks_origin and self.worker and self.worker.alive:
            await self.runner.note_origin(self.unit, self.worker)

    async def run(self, case: Case, in_turns: bool = False) -> AsyncGenerator[None, None]:
        """Run a case and write its record. In turns, yield where the worker pauses."""
        if failure := self.runner.gate_failure(case):
            self.runner.write(self.slot, case, answer_without_numbers("skipped", failure))
            return
        self.runner.progress.case_started(self.slot, case)
        try:
            worker = await self._living_worker()
            answer = await (worker.begin(case) if in_turns else worker.ask(case))
            while answer is None:
                yield
                answer = await worker.resume()
        except OSError as error:
            answer = answer_without_numbers("failed", f"no worker could be started: {error}")
        if not self.runner.write(self.slot, case, answer) and self.worker:
            await self.worker.kill()  # what it answers next cannot be trusted either

    async def _living_worker(self) -> WorkerProcess:
        if self.worker is None or not self.worker.alive:
            self.worker = await self.runner.start(self.unit, self.processors)
        return self.worker

    async def kill(self) -> None:
        """Kill the worker: it has nothing to save, and frameworks take long to shut down."""
        if self.worker:
            await self.worker.kill()
