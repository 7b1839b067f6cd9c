"""A worker process from its parent's side: start it, ask it, watch it, explain its death."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, time
from typing import Any
from uuid import uuid4

import psutil

from bench.plan.case import Case
from bench.records.storage import make_folder, open_to_write, storage_errors
from bench.run.answer import answer_without_numbers, parse_answer
from bench.run.death import exit_reason, last_line, out_of_memory_kills
from bench.run.origin import Guarded
from bench.run.turns import IN_TURNS, PAUSED, RESUME

LINE_LIMIT = 1 << 28
"""The largest size of one answer, in bytes."""
WATCH_S = 0.2
"""Seconds between two checks of a worker's memory."""
FLUSH_S = 0.5
"""Seconds in which what a dead worker has sent arrives."""
MARK = "RECURRENT_BENCH_WORKER"
"""The environment variable by which the processes of a worker are found."""
GRACE_S = 10.0
"""Seconds that a worker may take to exit after it closed its output."""


Answer = Mapping[str, Any]
"""The fields of a record that a worker knows."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a case: seconds, and bytes of resident memory of its worker."""

    time_s: float
    memory_bytes: float


@dataclass(frozen=True)
class WorkerCommand:
    """How a worker is started: the program with its arguments, all environment variables, and the
    working directory, None for that of this process."""

    program: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None


def worker_arguments(
    backend: str, processors: Sequence[int], guarded: Guarded | None = None
) -> list[str]:
    """The arguments of `run_bench.py` that start a worker of this process."""
    options = ["--processors", *map(str, processors), "--parent", str(os.getpid())]
    if guarded:
        options += ["--guarded", guarded.to_json()]
    return ["worker", "--backend", backend, *options]


@dataclass
class WorkerProcess:
    """A running worker, and the log file with what it prints."""

    process: asyncio.subprocess.Process
    log: Path
    limits: Limits
    mark: str
    """The value of the variable `MARK` in the worker and in all processes that it starts."""
    takes_turns: bool = False
    """Whether it can pause within a case."""
    killed_at_bytes: float | None = None
    """The worker's memory when it was killed for exceeding the limit."""

    @classmethod
    async def start(
        cls, command: WorkerCommand, logs: Path, name: str, limits: Limits
    ) -> "WorkerProcess":
        """Start a worker in its own process group; its log in `logs` is named after `name`."""
        mark = uuid4().hex
        with storage_errors(f"cannot write to {logs}"):
            make_folder(logs)
            log = logs / f"{len(list(logs.iterdir())):03d}-{name}.log"
            errors = open_to_write(log, "wb")
        with errors:
            process = await asyncio.create_subprocess_exec(
                *command.program,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**command.environment, MARK: mark},
                cwd=command.folder,
                start_new_session=True,
                limit=LINE_LIMIT,
            )
        return cls(process, log, limits, mark)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.returncode is None

    async def ask(self, case: Case) -> Answer:
        """Return the worker's answer; without one, kill the worker and return a failure with the
        reason."""
        answer = await self._reply(_line(case.flat()))
        assert answer is not None, "only a worker that takes turns pauses"
        return answer

    async def begin(self, case: Case) -> Answer | None:
        """Like `ask`, in turns: None where the worker has paused, to be resumed later."""
        return await self._reply(_line({**case.flat(), IN_TURNS: True}))

    async def resume(self) -> Answer | None:
        """Give a paused worker its next turn: its answer, or None where it has paused again."""
        self._signal(signal.SIGCONT)
        return await self._reply(RESUME)

    async def _reply(self, message: bytes) -> Answer | None:
        start, started, kills = perf_counter(), time(), out_of_memory_kills()
        watch = asyncio.create_task(self._watch_memory())
        try:
            line = await asyncio.wait_for(self._exchange(message), self.limits.time_s)
            if line == PAUSED:
                # Stopped, because its threads may otherwise spin and warm the processors.
                self._signal(signal.SIGSTOP)
                return None
            if line.endswith(b"\n"):
                return parse_answer(line)
            reason = await self._why_no_answer(kills)
        except ValueError as error:
            reason = f"the worker sent {error}"
        except TimeoutError:
            reason = f"time-out: not done after {self.limits.time_s:g} s"
        finally:
            watch.cancel()
        await self.kill()
        failure = answer_without_numbers("failed", reason)
        return {**failure, "started": started, "wall_s": perf_counter() - start}

    def move(self, processors: Sequence[int]) -> None:
        """Move all threads of the worker to these processors, if the system can."""
        if hasattr(os, "sched_setaffinity"):
            with suppress(OSError):
                for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                    os.sched_setaffinity(int(thread), processors)

    async def kill(self) -> None:
        """Kill the worker and the processes that it started, whatever their sessions."""
        self._signal(signal.SIGKILL)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    process.kill()
        await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the worker and the processes that it started in its own session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    async def _exchange(self, message: bytes) -> bytes:
        """The line that the worker answers with; empty, or without its end, if there is none.

        Raises ValueError for a line that is too long.
        """
        assert self.process.stdin
        try:
            self.process.stdin.write(message)
            await self.process.stdin.drain()
            return await self._read_line()
        except ConnectionError:
            return b""

    async def _read_line(self) -> bytes:
        """A line from the worker; what it has sent so far if it dies, although another process may
        hold its output open."""
        assert self.process.stdout
        reading = asyncio.create_task(self.process.stdout.readline())
        try:
            while not reading.done() and self.alive:
                await asyncio.wait([reading], timeout=WATCH_S)
            await asyncio.wait([reading], timeout=FLUSH_S)
            return reading.result() if reading.done() else b""
        except ValueError:
            raise ValueError(f"a line of more than {LINE_LIMIT >> 20} MiB") from None
        finally:
            reading.cancel()

    async def _watch_memory(self) -> None:
        """Kill the worker when its memory exceeds the limit."""
        while self.killed_at_bytes is None:
            await asyncio.sleep(WATCH_S)
            with suppress(psutil.Error, ProcessLookupError):
                size = psutil.Process(self.process.pid).memory_info().rss
                if size > self.limits.memory_bytes:
                    self.process.kill()
                    self.killed_at_bytes = size

    async def _why_no_answer(self, kills: int | None) -> str:
        """Why the worker died before it sent an answer.

        `kills` is how often the kernel had killed for memory before the case.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), GRACE_S)
        code = self.process.returncode
        if self.killed_at_bytes is not None:
            size, limit = self.killed_at_bytes / 2**30, self.limits.memory_bytes / 2**30
            return f"out of memory: {size:.2f} GiB, over the limit of {limit:.2f}"
        if code == -signal.SIGKILL and kills is not None and out_of_memory_kills() != kills:
            return "out of memory: killed by the kernel"
        return f"worker died: {exit_reason(code)}{last_line(self.log)}"


def _line(settings: Mapping[str, Any]) -> bytes:
    return json.dumps(settings).encode() + b"\n"
