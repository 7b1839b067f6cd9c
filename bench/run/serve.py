"""The worker process of one backend on one device: reads cases and answers, as JSON lines."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.plan.case import IN_TURNS, REQUEST, Case
from bench.probes.turns import Turns
from bench.processes.supervisor import at_death_of_parent
from bench.run.channel import Channel
from bench.run.origin import Guarded
from bench.run.worker import Load, Worker
from bench.run.worker_conditions import WorkerConditions


def serve(
    load_backend: Load,
    load_task: Load,
    backend: str,
    reference: str,
    processors: Sequence[int],
    parent: int,
    variable_patterns: Sequence[str] = (),
    guarded: Guarded | None = None,
) -> None:
    """Answer cases until the parent closes the pipe.

    `backend` and `reference` are names for `load_backend`; `parent` is the id of the parent
    process: this process ends when it does. `variable_patterns` are the frameworks' patterns of
    variables that are recorded, see `bench.records.speed_variables`; `guarded` is what a comparison
    guards.
    """
    channel = Channel()
    die_with(parent)
    pin_to(processors)
    threads, conditions = len(processors), WorkerConditions(variable_patterns)
    worker = Worker(load_backend, load_task, backend, reference, threads, conditions, guarded)
    for line in iter(channel.receive, ""):
        settings = json.loads(line)
        channel.request = settings.pop(REQUEST, "")
        turns = Turns(channel.pause) if settings.pop(IN_TURNS, False) else None
        answer = worker.answer(Case.from_flat(settings), turns)
        channel.send(json.dumps(answer, default=_as_json))


def pin_to(processors: Sequence[int]) -> None:
    """Run all threads of this process on these processors only, if the system can."""
    if processors and hasattr(os, "sched_setaffinity"):
        # Threads are pinned one by one: NumPy has started its pool of threads already.
        for thread in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), set(processors))


def die_with(parent: int) -> None:
    """On Linux, end this process when its parent dies, and let the kernel kill this process first
    if memory runs out."""
    if sys.platform != "linux":
        return
    at_death_of_parent(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process has ended")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _as_json(value: Any) -> Any:
    """A value of a type that JSON lacks: a framework's scalar as a number, others as text."""
    return value.item() if hasattr(value, "item") else str(value)
