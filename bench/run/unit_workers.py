"""The workers of one unit: they run its cases one after the other."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.run.answer import answer_without_numbers
from bench.run.process import WorkerProcess
from bench.spec import Unavailable

if TYPE_CHECKING:
    from bench.run.runner import Runner


@dataclass
class UnitWorkers:
    """The workers of one unit: one at a time, a new one after one that died."""

    runner: "Runner"
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
        except (OSError, Unavailable) as error:
            answer = answer_without_numbers("failed", f"no worker could be started: {error}")
        valid = self.runner.write(self.slot, case, answer)
        # After an invalid answer, or an error that may have left the framework broken, a fresh
        # worker goes on.
        if self.worker and (answer["traceback"] or not valid):
            await self.worker.kill()

    async def _living_worker(self) -> WorkerProcess:
        if self.worker is None or not self.worker.alive:
            self.worker = await self.runner.start(self.unit, self.processors)
        return self.worker

    async def kill(self) -> None:
        """Kill the worker: it has nothing to save, and frameworks take long to shut down."""
        if self.worker:
            await self.worker.kill()
