"""Runs a coroutine to its end, or until a signal stops it."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from typing import Any

from bench.processes.stop import StopHandler, Stopped
from bench.records.folder import RecordsError


def run_to_completion(work: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine. A stop signal cancels it, which ends its workers, and raises `Stopped`.

    If several units failed, raise only the first error, and a `RecordsError` only if there is no
    other.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(_until_stopped(handler, work) if isinstance(handler, StopHandler) else work)
    except BaseExceptionGroup as group:
        first = min(_errors(group), key=lambda error: isinstance(error, RecordsError))
        raise first from first.__cause__


async def _until_stopped(handler: StopHandler, work: Coroutine[Any, Any, None]) -> None:
    """Await the work; a signal cancels it where it waits, never while a record is written."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task
    handler.cancel = lambda: loop.call_soon_threadsafe(task.cancel)
    try:
        await work
    finally:
        handler.cancel = None
        if handler.number is not None:
            raise Stopped(handler.number)


def _errors(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """All errors of a group, those of groups within it included."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _errors(error)
        else:
            yield error
