"""Progress lines for output that is not a terminal: it is never silent for half a minute."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from threading import Event, Lock, Thread
from typing import Protocol

from bench.records.inert import inert

SILENCE_S = 25.0
"""The longest time without a line, in seconds."""


class Clock(Protocol):
    """The time in seconds, and a wait that ends early once the end was announced."""

    def now(self) -> float: ...
    def wait(self, seconds: float) -> bool: ...
    def announce_end(self) -> None: ...


class SystemClock:
    """The clock of the system."""

    def __init__(self) -> None:
        self._end = Event()

    def now(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait this long, or until the end is announced; return whether it was."""
        return self._end.wait(seconds)

    def announce_end(self) -> None:
        """End the wait, and all later ones."""
        self._end.set()


class Heartbeat(AbstractContextManager["Heartbeat"]):
    """Prints lines to standard error, and the state wherever there was no line for `SILENCE_S`.

    After its context nothing is printed any more, whatever thread still tries.
    """

    def __init__(self, state: Callable[[], str], clock: Clock) -> None:
        """`state` returns the line to print after a silence; another thread calls it."""
        self._state, self._clock = state, clock
        self._last_line, self._ended = clock.now(), False
        self._lock, self._thread = Lock(), Thread(target=self.beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._last_line = self._clock.now()
        self._thread.start()
        return self

    def say(self, line: str) -> None:
        """Print a line, unless the context has ended."""
        with self._lock, suppress(OSError):  # nobody reads standard error any more
            if not self._ended:
                self._last_line = self._clock.now()
                print(inert(line), file=sys.stderr, flush=True)

    def beat(self) -> None:
        """Print the state after each silence, until the end is announced."""
        while not self._clock.wait(max(0.0, self._silence_left())):
            if self._silence_left() <= 0:
                self.say(self._state())

    def _silence_left(self) -> float:
        return self._last_line + SILENCE_S - self._clock.now()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
        self._clock.announce_end()
        self._thread.join()
