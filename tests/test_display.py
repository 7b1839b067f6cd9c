"""The display of a run: failures, counted cases and the time left."""

import pytest
from planning import CASE, example_record, selection

from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.run.display import LiveProgress, SilentProgress, format_duration


@pytest.fixture
def cases() -> list[Case]:
    return plan_cases(selection(backends=["numpy"], cells=["rnn"], probes=["learning"]))


def test_live_display_counts_cases_and_prints_failures_verbatim(
    cases: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    with LiveProgress(cases, [1.0] * len(cases)) as progress:
        assert progress.time_left() == ""
        for case in cases[:2]:
            progress.case_started(0, case)
            failed = example_record(status="failed", reason="[/bold] of array[0]")
            progress.case_finished(0, case, failed)
        assert progress.time_left() == "0 s left"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("[/bold] of array[0]") == 2


def test_time_left_scales_with_the_pace_of_the_finished_cases(cases: list[Case]) -> None:
    progress = LiveProgress(cases, [1.0, 2.0, 3.0])
    progress.case_finished(0, cases[0], example_record())
    progress.start -= 100
    assert progress.time_left() == "8 min 20 s left"


def test_without_a_terminal_only_failures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentProgress() as progress:
        progress.case_started(0, CASE)
        progress.case_finished(0, CASE, example_record())
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
