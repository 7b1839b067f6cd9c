"""The line about what a comparison is doing."""

import io
from functools import partial

import pytest
from fake_clock import FakeClock, printed_times
from planning import CASE, example_record

from bench.run.status import StatusLine


def test_stage_counts_and_times_are_printed_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock(210.0)
    status = StatusLine(clock, terminal=False)
    failed = example_record(status="failed", reason="so")
    clock.events = [
        (0.0, lambda: status.expect("2 min to 6 min")),
        (1.0, lambda: status.show("opening both sides")),
        (11.0, lambda: status.show("round 1 of at most 3, pair 1 of 10; open: numpy lstm adding")),
        (20.0, lambda: status.case_finished(0, CASE, example_record())),
        (21.0, lambda: status.case_finished(0, CASE, failed)),
    ]
    lines = printed_times(clock, monkeypatch)
    status.heartbeat.beat()
    opened = "round 1 of at most 3, pair 1 of 10; open: numpy lstm adding"
    assert lines[:5] == [
        (0.0, "expected time: 2 min to 6 min"),
        (1.0, "opening both sides (1 s of about 2 min to 6 min)"),
        (11.0, f"{opened} (11 s of about 2 min to 6 min)"),
        (21.0, f"failed: {CASE}: so"),
        (46.0, f"{opened}; 2 cases, 1 failed (46 s of about 2 min to 6 min)"),
    ]
    moments = [moment for moment, _ in lines]
    assert all(b - a <= 30 for a, b in zip(moments, [*moments[1:], 210.0], strict=True))


def test_time_left_takes_the_place_of_the_expected_time(capsys: pytest.CaptureFixture[str]) -> None:
    status = StatusLine(FakeClock(100.0), terminal=False)
    status.expect("2 min to 6 min")
    status.show("pair 1 of 10")
    status.show("pair 2 of 10", "4 min to 9 min")
    assert capsys.readouterr().err.splitlines()[1:] == [
        "pair 1 of 10 (0 s of about 2 min to 6 min)",
        "pair 2 of 10 (0 s, about 4 min to 9 min left)",
    ]


def test_small_step_is_printed_with_the_next_line_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(30.0)
    status = StatusLine(clock, terminal=False)
    clock.events = [(float(k), partial(status.note, f"{k} of 40 models")) for k in range(1, 30)]
    lines = printed_times(clock, monkeypatch)
    status.heartbeat.beat()
    assert lines == [(25.0, "25 of 40 models (25 s)")]


def test_nothing_is_printed_after_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with StatusLine(terminal=False) as status:
        status.show("parity and learning")
    status.show("again")
    assert capsys.readouterr().err == "parity and learning (0 s)\n"


def test_line_is_drawn_and_not_repeated_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr("sys.stderr", drawn)
    with StatusLine(terminal=True) as status:
        status.show("parity and learning")
        status.case_finished(0, CASE, example_record(status="failed", reason="so"))
        assert not status.heartbeat._thread.is_alive()
    assert f"failed: {CASE}: so" in " ".join(drawn.getvalue().split())
    assert "1 cases" not in drawn.getvalue()
