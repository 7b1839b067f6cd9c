"""Lines for output that is not a terminal: no long silence, and nothing after the end."""

import io
import sys
import time
from itertools import pairwise

import pytest
from fake_clock import FakeClock, printed_times

from bench.run.heartbeat import SILENCE_S, Heartbeat, SystemClock


def longest_silence(times: list[float], end: float) -> float:
    moments = [0.0, *times, end]
    return max(b - a for a, b in pairwise(moments))


def test_no_silence_is_longer_than_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(451.0)
    heartbeat = Heartbeat(lambda: "state", clock)
    clock.events = [(7.0, lambda: heartbeat.say("a")), (210.0, lambda: heartbeat.say("b"))]
    lines = printed_times(clock, monkeypatch)
    heartbeat.beat()
    assert longest_silence([moment for moment, _ in lines], 451.0) <= SILENCE_S <= 30
    assert [line for line in lines if line[1] != "state"] == [(7.0, "a"), (210.0, "b")]
    assert len(lines) <= 451 / SILENCE_S + 2, "a line delays the next one"


def test_state_is_not_repeated_while_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(100.0)
    heartbeat = Heartbeat(lambda: "state", clock)
    clock.events = [(float(t), lambda: heartbeat.say("line")) for t in range(5, 100, 5)]
    lines = printed_times(clock, monkeypatch)
    heartbeat.beat()
    assert {text for _, text in lines} == {"line"}


def test_nothing_is_printed_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Heartbeat(lambda: "state", SystemClock()) as heartbeat:
        heartbeat.say("before")
    heartbeat.say("after")
    assert capsys.readouterr().err == "before\n"


def test_context_ends_at_once_and_leaves_no_thread() -> None:
    clock = SystemClock()
    with Heartbeat(lambda: "state", clock) as heartbeat:
        assert heartbeat._thread.is_alive()
    assert not heartbeat._thread.is_alive()
    assert clock.wait(1000), "the end is announced, so no wait takes time"
    assert clock.now() <= time.monotonic()


def test_closed_standard_error_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    clock = FakeClock(100.0)
    monkeypatch.setattr(sys, "stderr", Closed())
    heartbeat = Heartbeat(lambda: "state", clock)
    heartbeat.say("line")
    heartbeat.beat()
    assert clock.now() == 100
