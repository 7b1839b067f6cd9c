"""A clock that the test moves: time passes only while somebody waits."""

from collections.abc import Callable

import pytest

Event = tuple[float, Callable[[], None]]


class FakeClock:
    """Runs each event at its time, and announces the end at `end`."""

    def __init__(self, end: float = 0.0, *events: Event) -> None:
        self.time, self.end, self.events = 0.0, end, sorted(events, key=lambda event: event[0])

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        until = self.time + seconds
        while self.events and self.events[0][0] <= min(until, self.end):
            self.time, event = self.events.pop(0)
            event()
        self.time = min(until, self.end)
        return self.time >= self.end

    def announce_end(self) -> None:
        self.end = self.time


def printed_times(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """A list that receives what is printed, each line with its time."""
    lines: list[tuple[float, str]] = []
    monkeypatch.setattr("builtins.print", lambda text, **_: lines.append((clock.now(), text)))
    return lines
