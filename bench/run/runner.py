"""Sends cases to worker processes, skips models that the parity gate rejects, writes the records.

Only this process writes. A worker that dies, hangs or answers nonsense fails its current case: the
record says why, and a fresh worker continues with the next case.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from bench.plan.case import Case, model_key
from bench.plan.probes import GATE, IMPORT_PROBE, ORIGIN_PROBE, UNPROVEN
from bench.plan.units import Unit
from bench.records import machine
from bench.records.folder import RunFolder
from bench.records.inert import inert
from bench.records.record import Record, without_nonfinite
from bench.records.record_check import check_fields
from bench.run.limits import Limits
from bench.run.process import WorkerProcess
from bench.run.ready_workers import ready_together, ready_workers
from bench.run.side_by_side import run_side_by_side
from bench.run.turns import TAKES_TURNS
from bench.run.unit_workers import UnitWorkers
from bench.run.worker_command import StartCommand
from bench.spec import Unavailable


class Progress(Protocol):
    """Shows the progress of a run. `slot` numbers the workers that run side by side."""

    def case_started(self, slot: int, case: Case) -> None: ...
    def case_finished(self, slot: int, case: Case, record: Record) -> None: ...
    def unit_finished(self, slot: int, unit: Unit) -> None: ...


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
        for group in ready_together([unit for unit in units if unit.timed], jobs):
            async with ready_workers([(self, unit) for unit in group], processors) as workers:
                for unit, worker in zip(group, workers, strict=True):
                    await self.run_unit(unit, 0, processors[: unit.threads], worker)

    async def start_ready(self, unit: Unit, processors: Sequence[int]) -> WorkerProcess | None:
        """Start a worker for a unit, let it import its framework, and stop it until its first case;
        None if it does not start, or if the gate lets no case of the unit through."""
        if all(map(self.gate_failure, unit.cases)):
            return None
        try:
            worker = await self.start(unit, processors)
        except (OSError, Unavailable):
            return None
        # An older worker may not know the `import` probe; it then takes no turns either.
        try:
            answer = await worker.ask(replace(unit.cases[0], probe=IMPORT_PROBE))
        except BaseException:
            await worker.kill()
            raise
        worker.takes_turns = bool(answer["metrics"].get(TAKES_TURNS))
        worker.stop()
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
        """Note in `run.json` which files of the worker are not its side's own, or were built under
        a digest. It is asked last, because imports can be late."""
        answer = await worker.ask(replace(unit.cases[-1], probe=ORIGIN_PROBE))
        if answer["status"] != "ok":
            self.info.setdefault("foreign_files", {}).setdefault(unit.backend, answer["reason"])
            self.folder.write_info(self.info)
        if digests := {name for name in answer["metrics"] if name.startswith(os.sep)}:
            named = self.info.setdefault("digest_files", {})
            named[unit.backend] = sorted(digests.union(named.get(unit.backend, ())))
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
        name = machine.environment_name(environment, self.info.get("identity"))
        environments = self.info.setdefault("environments", {})
        if name not in environments:
            environments[name] = environment
            self.folder.write_info(self.info)
        return name
