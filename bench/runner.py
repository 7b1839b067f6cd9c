"""Starts workers, hands them cases, keeps their time and memory limits, and writes the records.

Only this process writes. Whatever happens to a worker costs the case it had in hand: the case is
recorded as failed with what is known of the cause, and a fresh worker goes on with the rest.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, time
from typing import Any, Protocol

import psutil

from bench import machine
from bench.plan import Case, Unit
from bench.records import Record, RunFolder
from bench.worker import environment_variables

LINE_LIMIT = 1 << 28
WATCH_S = 0.2


class Progress(Protocol):
    """Told what goes on."""

    def began(self, slot: int, case: Case) -> None: ...
    def ended(self, slot: int, case: Case, record: Record) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a case may take: seconds, and bytes of resident memory of its worker."""

    time_s: float
    memory_bytes: float


@dataclass
class Run:
    """One invocation: where it writes, how it starts a worker, and what is proven so far."""

    folder: RunFolder
    command: Callable[[Unit, Sequence[int]], Sequence[str]]
    limits: Limits
    progress: Progress
    info: dict[str, Any]
    proven: dict[str, str] = field(default_factory=dict)
    """`ok`, or why the parity gate is shut, by the case's model key."""

    def learn_of(self, record: Record) -> None:
        """Open or shut the gate according to a parity record."""
        if record.probe == "parity":
            reason = "ok" if record.status == "ok" else (record.reason or record.status)
            self.proven[Case(record.case).model_key] = reason

    async def all(self, units: Sequence[Unit], jobs: int) -> None:
        """Untimed units side by side, one processor each; then the timed ones, alone."""
        processors = machine.cpus()
        slots: asyncio.Queue[int] = asyncio.Queue()
        for slot in range(max(1, min(jobs, len(processors)))):
            slots.put_nowait(slot)
        devices = {unit.device: asyncio.Lock() for unit in units if unit.device != "cpu"}

        async def untimed(unit: Unit) -> None:
            async with devices.get(unit.device, _Free()):
                slot = await slots.get()
                try:
                    await self.unit(unit, slot, processors[slot : slot + 1])
                finally:
                    slots.put_nowait(slot)

        async with asyncio.TaskGroup() as group:
            for unit in units:
                if not unit.timed:
                    group.create_task(untimed(unit))
        for unit in units:
            if unit.timed:
                await self.unit(unit, 0, processors[: unit.threads])

    async def unit(self, unit: Unit, slot: int, processors: Sequence[int]) -> None:
        """Every case of a unit, in as many worker processes as it takes."""
        worker: Worker | None = None
        try:
            for case in unit.cases:
                if shut := self._gate(case):
                    self.write(slot, case, _unmeasured("skipped", shut))
                    continue
                self.progress.began(slot, case)
                if worker is None:
                    worker = await Worker.start(self, unit, processors)
                answer = await worker.ask(case)
                self.write(slot, case, answer)
                if worker.process.returncode is not None:
                    worker = None
        except BaseException:
            if worker:
                await worker.kill()
            raise
        if worker:
            await worker.close()

    def _gate(self, case: Case) -> str | None:
        """Why a case must not be measured: its model is not proven equal."""
        if case.probe == "parity":
            return None
        reason = self.proven.get(case.model_key, "no parity record")
        return None if reason == "ok" else f"not proven equal: {reason}"

    def write(self, slot: int, case: Case, answer: Mapping[str, Any]) -> None:
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
        self.folder.append(record)
        self.learn_of(record)
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


class _Free:
    """A lock that is never held."""

    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *_: object) -> None: ...


@dataclass
class Worker:
    """A running worker process, and the file that takes what it prints."""

    process: asyncio.subprocess.Process
    log: Path
    limits: Limits

    @classmethod
    async def start(cls, run: Run, unit: Unit, processors: Sequence[int]) -> "Worker":
        logs = run.folder.path / "workers"
        logs.mkdir(exist_ok=True)
        name = unit.backend.removesuffix(".py").replace("/", "_")
        log = logs / f"{len(list(logs.iterdir())):03d}-{name}-{unit.device.replace(':', '-')}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *run.command(unit, processors),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environment_variables(len(processors))},
                start_new_session=True,
                limit=LINE_LIMIT,
            )
        return cls(process, log, run.limits)

    async def ask(self, case: Case) -> Mapping[str, Any]:
        """The worker's answer, or a failure that says what became of it."""
        began, started = perf_counter(), time()
        kills = _out_of_memory_kills()
        watch = asyncio.create_task(self._watch_memory())
        try:
            line = await asyncio.wait_for(self._exchange(case), self.limits.time_s)
            cause = None if line else "worker died"
        except TimeoutError:
            line, cause = b"", f"time-out: not done after {self.limits.time_s:g} s"
        finally:
            watch.cancel()
        if line and (answer := _decoded(line)):
            return answer
        over = watch.result() if watch.done() and not watch.cancelled() else None
        await self.kill()
        reason = cause if cause and cause.startswith("time-out") else self._death(over, kills)
        answer = {**_unmeasured("failed", reason), "started": started}
        return {**answer, "wall_s": perf_counter() - began}

    async def close(self) -> None:
        """Let it end by itself, and make sure that it does."""
        if self.process.stdin:
            self.process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), 10)
        await self.kill()

    async def kill(self) -> None:
        """End it and whatever it started."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def _exchange(self, case: Case) -> bytes:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(case.settings).encode() + b"\n")
            await self.process.stdin.drain()
            return await self.process.stdout.readline()
        except ConnectionError:
            return b""

    async def _watch_memory(self) -> float:
        """Kill the worker when it grows over its limit, and return the size it had."""
        while True:
            await asyncio.sleep(WATCH_S)
            with suppress(psutil.Error, ProcessLookupError):
                size = float(psutil.Process(self.process.pid).memory_info().rss)
                if size > self.limits.memory_bytes:
                    self.process.kill()
                    return size

    def _death(self, over: float | None, kills: int | None) -> str:
        code = self.process.returncode or 0
        if over is not None:
            limit = self.limits.memory_bytes
            return f"out of memory: {over / 2**30:.2f} GiB, over the limit of {limit / 2**30:.2f}"
        if code == -signal.SIGKILL and kills is not None and _out_of_memory_kills() != kills:
            return "out of memory: killed by the kernel"
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"worker died: {name}" + (f"; last words: {lines[-1][:300]}" if lines else "")


def _decoded(line: bytes) -> Mapping[str, Any] | None:
    with suppress(ValueError):
        answer = json.loads(line)
        if isinstance(answer, dict):
            return answer
    return None


def _unmeasured(status: str, reason: str) -> dict[str, Any]:
    return {
        "status": status,
        "reason": reason,
        "metrics": {},
        "samples": {},
        "environment": {},
        "started": time(),
        "wall_s": 0.0,
    }


def _out_of_memory_kills() -> int | None:
    """How often this machine's kernel has killed for memory."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/vmstat").read_text().split("oom_kill ")[1].split()[0])
    return None
