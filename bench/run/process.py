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

from bench.plan.case import IN_TURNS, REQUEST, Case
from bench.processes.death import exit_reason, last_line, out_of_memory_kills
from bench.processes.memory import memory_below
from bench.processes.supervised import supervised
from bench.processes.supervisor import END_S
from bench.records import machine
from bench.records.storage import make_folder, open_to_write, storage_errors
from bench.run.answer import answer_without_numbers, parse_answer
from bench.run.limits import Limits
from bench.run.turns import PAUSED, RESUME
from bench.run.worker_command import WorkerCommand

LINE_LIMIT = 1 << 26
"""The largest size of one answer, in bytes."""
WATCH_S = 0.5
"""Seconds between two checks of a worker's memory."""
START_S = 60.0
"""Seconds that the supervisor of a worker may take to start it."""
GRACE_S = 10.0
"""Seconds that a worker may take to exit after it closed its output."""

Answer = Mapping[str, Any]
"""The fields of a record that a worker knows."""


@dataclass
class WorkerProcess:
    """A running worker, and the log file with what it prints."""

    supervisor: asyncio.subprocess.Process
    """Ends when the worker and everything that it has started have ended, and as the worker did."""
    pid: int
    """The process id of the worker, which leads a session of its own."""
    log: Path
    limits: Limits
    repeats_request: bool
    takes_turns: bool = False
    """Whether it can pause within a case."""
    stopped: bool = False
    """Whether it is stopped until it is sent something."""
    requests: int = 0
    request: str = ""
    """The name of the last request: its number and a digest of its case."""
    killed_at_bytes: float | None = None
    """The worker's memory when it was killed for exceeding the limit."""

    def __post_init__(self) -> None:
        self._watch = asyncio.create_task(self._watch_memory())

    @classmethod
    async def start(
        cls, command: WorkerCommand, logs: Path, name: str, limits: Limits
    ) -> "WorkerProcess":
        """Start a worker; its log in `logs` is named after `name`. Raises OSError where it does not
        start."""
        command.check()
        with storage_errors(f"cannot write to {logs}"):
            make_folder(logs)
            log = logs / f"{len(list(logs.iterdir())):03d}-{name}.log"
            errors = open_to_write(log, "wb")
        with errors:
            supervisor = await asyncio.create_subprocess_exec(
                *supervised(command.program, errors.fileno()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=command.environment,
                cwd=command.folder,
                pass_fds=(errors.fileno(),),
                start_new_session=True,
                limit=LINE_LIMIT,
            )
        pid = await _worker_id(supervisor)
        return cls(supervisor, pid, log, limits, command.repeats_request)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.supervisor.returncode is None

    async def ask(self, case: Case) -> Answer:
        """Return the worker's answer; without one, kill the worker and return a failure with the
        reason."""
        answer = await self._reply(self._request(case.flat()))
        assert answer is not None, "only a worker that takes turns pauses"
        return answer

    async def begin(self, case: Case) -> Answer | None:
        """Like `ask`, in turns: None where the worker has paused, to be resumed later."""
        return await self._reply(self._request({**case.flat(), IN_TURNS: True}))

    async def resume(self) -> Answer | None:
        """Give a paused worker its next turn: its answer, or None where it has paused again."""
        return await self._reply(RESUME)

    def stop(self) -> None:
        """Stop the worker until it is sent something: its threads may otherwise spin and warm the
        processors."""
        self.stopped = True
        self._signal(signal.SIGSTOP)

    def move(self, processors: Sequence[int]) -> None:
        """Move all threads of the worker to these processors, if the system can."""
        if hasattr(os, "sched_setaffinity"):
            with suppress(OSError):
                for thread in os.listdir(f"/proc/{self.pid}/task"):
                    os.sched_setaffinity(int(thread), processors)

    async def kill(self) -> None:
        """End the worker and everything that it has started, even where they are stopped."""
        self._watch.cancel()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                self.supervisor.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.supervisor.wait(), 2 * END_S)
                return

    def _request(self, settings: Mapping[str, Any]) -> bytes:
        """The line that asks for a case."""
        if self.repeats_request:
            self.requests += 1
            self.request = f"{self.requests}-{machine.identifier(settings)}"
            settings = {**settings, REQUEST: self.request}
        return json.dumps(settings).encode() + b"\n"

    async def _reply(self, message: bytes) -> Answer | None:
        start, started, kills = perf_counter(), time(), out_of_memory_kills()
        try:
            line = await asyncio.wait_for(self._exchange(message), self.limits.time_s)
            if line.endswith(b"\n"):
                line = self._of_this_request(line)
                if line != PAUSED:
                    return parse_answer(line)
                self.stop()
                return None
            reason = await self._why_no_answer(kills)
        except ValueError as error:
            reason = f"the worker sent {error}"
        except TimeoutError:
            reason = f"time-out: not done after {self.limits.time_s:g} s"
        await self.kill()
        failure = answer_without_numbers("failed", reason)
        return {**failure, "started": started, "wall_s": perf_counter() - start}

    async def _exchange(self, message: bytes) -> bytes:
        """The line that the worker answers with; empty, or without its end, if there is none.

        Raises ValueError for a line that is too long.
        """
        assert self.supervisor.stdin and self.supervisor.stdout
        if self.stopped:
            self.stopped = False
            self._signal(signal.SIGCONT)
        try:
            self.supervisor.stdin.write(message)
            await self.supervisor.stdin.drain()
            return await self.supervisor.stdout.readline()
        except ConnectionError:
            return b""
        except ValueError:
            raise ValueError(f"a line of more than {LINE_LIMIT >> 20} MiB") from None

    def _of_this_request(self, line: bytes) -> bytes:
        """The line without the name of its request; ValueError where that is not the last one."""
        name = f"{self.request} ".encode() if self.repeats_request else b""
        if not line.startswith(name):
            raise ValueError(f"no answer to this case, but {line!r:.200}")
        return line.removeprefix(name)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the worker and the processes that it started in its own session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _watch_memory(self) -> None:
        """Kill the worker when its memory exceeds the limit. While it is stopped nothing is read,
        because another worker may be timed."""
        limit, size = self.limits.memory_bytes, 0.0
        while size <= limit:
            await asyncio.sleep(WATCH_S)
            if not self.stopped:
                size = memory_below(self.supervisor.pid, limit)
        self.killed_at_bytes = size
        self._signal(signal.SIGKILL)

    async def _why_no_answer(self, kills: int | None) -> str:
        """Why the worker died before it sent an answer.

        `kills` is how often the kernel had killed for memory before the case.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self.supervisor.wait(), GRACE_S)
        code = self.supervisor.returncode
        if self.killed_at_bytes is not None:
            size, limit = self.killed_at_bytes / 2**30, self.limits.memory_bytes / 2**30
            return f"out of memory: {size:.2f} GiB, over the limit of {limit:.2f}"
        if code == -signal.SIGKILL and kills is not None and out_of_memory_kills() != kills:
            return "out of memory: killed by the kernel"
        return f"worker died: {exit_reason(code)}{last_line(self.log)}"


async def _worker_id(supervisor: asyncio.subprocess.Process) -> int:
    """The process id of the worker, which its supervisor prints first; OSError without it."""
    assert supervisor.stdout
    try:
        return int(await asyncio.wait_for(supervisor.stdout.readline(), START_S))
    except BaseException as error:
        with suppress(ProcessLookupError):
            supervisor.terminate()
        if isinstance(error, TimeoutError | ValueError):
            raise OSError("its supervisor does not start it") from None
        raise
