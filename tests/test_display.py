"""The display of a run: failures, counted cases and the time left."""

import pytest
from fake_clock import FakeClock, printed_times
from planning import CASE, changed_case, example_record, selection

from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.plan.units import Unit
from bench.run.display import (
    LiveProgress,
    PlainProgress,
    SilentProgress,
    format_duration,
    run_display,
)
from bench.run.heartbeat import Clock, SystemClock
from bench.run.pace import Pace


@pytest.fixture
def cases() -> list[Case]:
    return plan_cases(selection(backends=["numpy"], cells=["rnn"], probes=["learning"]))


def pace(cases: list[Case], *seconds: float, clock: Clock, budget_s: float = 0.0) -> Pace:
    """The pace of a run of these cases that takes as long as its cases together."""
    expected = {case.key: s for case, s in zip(cases, seconds, strict=True)}
    return Pace(expected, sum(seconds), clock, budget_s)


def unit(*cases: Case, timed: bool = False) -> Unit:
    return Unit("numpy", "cpu", 1, timed, cases)


def test_live_display_counts_cases_and_prints_failures_verbatim(
    cases: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = [1.0] * len(cases)
    with LiveProgress(pace(cases, *seconds, clock=FakeClock())) as progress:
        for case in cases[:2]:
            progress.case_started(0, case)
            failed = example_record(status="failed", reason="[/bold] of array[0]")
            progress.case_finished(0, case, failed)
        assert progress.pace.counts() == f"2 of {len(cases)} cases, 2 failed"
        progress.unit_finished(0, unit(*cases[:2]))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("[/bold] of array[0]") == 2
    assert "left" not in printed.err, "the drawn line is the only one"


def test_time_left_follows_the_pace_of_the_finished_cases(cases: list[Case]) -> None:
    clock = FakeClock(1e9)
    progress = pace(cases, 10.0, 20.0, 30.0, clock=clock)
    assert progress.seconds_left() == 60
    clock.time = 5.0
    assert progress.seconds_left() == 55, "the first case is under way"
    clock.time = 100.0
    progress.case_finished(cases[0], example_record())
    expected_pace = (100 + 6) / (10 + 6)
    assert progress.seconds_left() == pytest.approx(expected_pace * 50)
    clock.time = 1000.0
    assert progress.seconds_left() == 0, "never less than nothing"


def test_time_left_lasts_until_the_budget_is_spent(cases: list[Case]) -> None:
    clock = FakeClock(1e9)
    progress = pace(cases, 1.0, 1.0, 1.0, clock=clock, budget_s=60.0)
    for case in (*cases, changed_case(probe="speed", launch=7)):
        progress.case_finished(case, example_record())
    clock.time = 20.0
    assert progress.seconds_left() == 40
    assert progress.counts() == "3 of 3 cases, 1 more for the budget, 0 failed"


def test_run_without_cases_has_no_time_left() -> None:
    assert pace([], clock=FakeClock()).seconds_left() == 0


def test_without_a_terminal_no_silence_is_long_and_every_unit_has_a_line(
    cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(200.0)
    progress = PlainProgress(pace(cases, 60.0, 60.0, 60.0, clock=clock), clock)
    failed = example_record(status="failed", reason="so")
    clock.events = [
        (0.0, lambda: progress.case_started(0, cases[0])),
        (70.0, lambda: progress.case_finished(0, cases[0], example_record())),
        (70.0, lambda: progress.case_started(0, cases[1])),
        (140.0, lambda: progress.case_finished(0, cases[1], failed)),
        (140.0, lambda: progress.unit_finished(0, unit(*cases[:2]))),
    ]
    lines = printed_times(clock, monkeypatch)
    progress.heartbeat.beat()
    assert lines == [
        (25.0, f"0 of 3 cases, 0 failed, about 2 min 35 s left; now: {cases[0]}"),
        (50.0, f"0 of 3 cases, 0 failed, about 2 min 10 s left; now: {cases[0]}"),
        (75.0, f"1 of 3 cases, 0 failed, about 2 min 10 s left; now: {cases[1]}"),
        (100.0, f"1 of 3 cases, 0 failed, about 1 min 45 s left; now: {cases[1]}"),
        (125.0, f"1 of 3 cases, 0 failed, about 1 min 20 s left; now: {cases[1]}"),
        (140.0, f"failed: {cases[1]}: so"),
        (
            140.0,
            "2 of 3 cases, 1 failed, about 1 min 09 s left; done: numpy on cpu, "
            "2 cases of parity, learning",
        ),
        (165.0, "2 of 3 cases, 1 failed, about 44 s left"),
        (190.0, "2 of 3 cases, 1 failed, about 19 s left"),
    ]


def test_line_about_a_launch_has_its_number(
    cases: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    launch = changed_case(probe="speed", launch=3)
    with PlainProgress(pace([], clock=FakeClock()), SystemClock()) as progress:
        progress.unit_finished(0, unit(launch, launch, timed=True))
        progress.unit_finished(0, unit(launch, timed=True))
    progress.unit_finished(0, unit(launch))
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("done: numpy on cpu, launch 3, 2 cases of speed")
    assert second.endswith(f"done: {launch}")


@pytest.mark.parametrize("terminal", [True, False])
def test_display_is_drawn_on_a_terminal_only(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    display = run_display(pace([], clock=FakeClock()), SystemClock())
    assert isinstance(display, LiveProgress if terminal else PlainProgress)


def test_silent_progress_prints_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentProgress() as progress:
        progress.case_started(0, CASE)
        progress.case_finished(0, CASE, example_record())
        progress.unit_finished(0, unit(CASE))
        assert capsys.readouterr().err == ""
        progress.case_finished(0, CASE, example_record(status="failed", reason="so"))
    assert capsys.readouterr().err == f"failed: {CASE}: so\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration_is_written_in_the_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
