"""Turns: the workers of two sides measure the same cases in alternating blocks.

A machine's speed drifts within seconds. Where two processes are timed one after the other, the
drift between them is part of their ratio; where they alternate every few hundredths of a second,
it is the same on both sides. Only one of them runs at a time: a worker that pauses says so, and its
parent stops the process until its next turn.
"""

from collections.abc import AsyncGenerator, Iterable

PAUSED, RESUME = b'"paused"\n', b'"resume"\n'
"""The line of a worker that pauses, and the line that it then waits for."""
TAKES_TURNS = "takes_turns"
"""The metric by which a worker says that it understands these words."""


async def alternate(parts: Iterable[AsyncGenerator[None, None]]) -> None:
    """Advance the generators in turn, in their order, until each of them has ended."""
    active = list(parts)
    while active:
        for part in list(active):
            try:
                await anext(part)
            except StopAsyncIteration:
                active.remove(part)
