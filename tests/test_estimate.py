"""The time that a run is said to take follows what was measured before."""

import random
from pathlib import Path
from typing import Any

import pytest
from test_plan import CASE, SIZE, like, selection
from test_records import record

from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.plan.estimate import (
    START_S,
    Past,
    PastCost,
    cost_group,
    estimate_seconds,
    estimate_total,
    past_costs,
)
from bench.plan.units import Unit, plan_units
from bench.records.folder import RunFolder
from bench.run.display import LiveProgress, SilentProgress, format_duration
from tasks.adding import Adding


def recorded(root: Path, run: str, case: Case, *walls: float, **changes: Any) -> RunFolder:
    folder = RunFolder.create(root, run, {})
    own = {"case": case.flat(), "probe": case.probe, **changes}
    for wall in walls:
        folder.append(record(wall_s=wall, **own))
    return folder


def costs(*pairs: tuple[Case, float]) -> Past:
    """What each case took."""
    return {cost_group(case.flat()): PastCost(case.flat(), [s]) for case, s in pairs}


def one(case: Case, past: Past, size: Adding = SIZE) -> float:
    return estimate_seconds([case], {"adding": size}, past)[0]


def test_a_case_is_expected_to_take_what_its_like_took_before(tmp_path: Path) -> None:
    recorded(tmp_path, "a", like(seed=8), 1.0, 2.0)
    recorded(tmp_path, "b", like(seed=9), 60.0)
    recorded(tmp_path, "c", like(hidden=5), 1000.0)
    recorded(tmp_path, "d", CASE, 1000.0, status="failed")
    assert one(CASE, past_costs(tmp_path)) == 2.0


def test_a_damaged_run_is_no_hindrance(tmp_path: Path) -> None:
    recorded(tmp_path, "a", CASE, 1.0)
    recorded(tmp_path, "b", CASE, 5.0).records_file.write_text("{\n")
    assert past_costs(tmp_path) == costs((CASE, 1.0))
    assert past_costs(tmp_path / "nowhere") == {}


def test_without_a_past_more_work_is_expected_to_take_longer() -> None:
    def rough(probe: str, **size: int) -> float:
        own = {"length": 50, "steps": 1000, **size}
        return one(like(probe=probe, **own), {})

    assert rough("learning", steps=10_000) > 2 * rough("learning")
    assert rough("learning", length=500) > 2 * rough("learning")
    assert rough("learning", batch=500, hidden=500) > 100 * rough("learning")
    assert rough("speed", length=500) > rough("speed")
    assert one(like(probe="speed", phase_s=2.0), {}) > 12


def test_what_a_backend_took_for_other_work_scales_the_rough_model() -> None:
    other = like(probe="learning", length=50)
    rough = one(CASE, {})

    def knowing(case: Case, factor: float) -> float:
        return one(CASE, costs((case, factor * one(case, {}))))

    assert knowing(like(length=50), 3.0) == pytest.approx(3 * rough)
    for unlike in ({"backend": "other"}, {"device": "cuda"}, {"probe": "gradients"}):
        assert knowing(like(length=50, **unlike), 3.0) == rough
    gone = Case.from_flat({**other.flat(), "task": "gone"})
    assert one(CASE, costs((gone, 1000.0))) == rough


def test_untimed_backends_share_the_workers_and_timed_ones_do_not() -> None:
    learning = like(probe="learning", length=SIZE.length)

    def unit(backend: str, timed: bool, *cases: Case) -> Unit:
        return Unit(backend, "cpu", 1, timed, cases or (learning,))

    cost, alone = {CASE.key: 10.0, learning.key: 10.0}, START_S + 10
    a, b = unit("a", False), unit("b", False)
    assert estimate_total([], cost, 2) == 0
    assert estimate_total([a], cost, 2) == alone
    assert estimate_total([a, b], cost, 1) == 2 * alone
    assert estimate_total([a, b], cost, 2) == alone
    assert estimate_total([a, unit("a", False)], cost, 2) == alone
    proof = unit("a", False, CASE)
    assert estimate_total([proof, a], cost, 2) == 2 * alone
    assert estimate_total([proof, b], cost, 2) == alone
    assert estimate_total([proof, unit("a", False, CASE, learning)], cost, 2) == START_S + 20
    assert estimate_total([proof] + 4 * [a], cost, 2) == 2.5 * alone
    assert estimate_total([a, b, unit("a", True), unit("b", True)], cost, 2) == 3 * alone


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_a_duration_reads_well(value: float, text: str) -> None:
    assert format_duration(value) == text


# ---- what is seen of it ---------------------------------------------------------------------


def test_the_display_counts_cases_and_tells_failures_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned = plan_cases(selection(backends=["numpy"], cells=["rnn"], probes=["learning"]))
    with LiveProgress(planned, [1.0] * len(planned)) as live:
        assert live.left() == ""
        for case in planned[:2]:
            live.began(0, case)
            live.ended(0, case, record(status="failed", reason="[/bold] of array[0]"))
        assert live.left() == "0 s left"
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("[/bold] of array[0]") == 2


def test_the_time_left_is_what_is_done_scaled_to_what_is_not() -> None:
    planned = plan_cases(selection(backends=["numpy"], cells=["rnn"], probes=["learning"]))
    live = LiveProgress(planned, [1.0, 2.0, 3.0])
    live.ended(0, planned[0], record())
    live.start -= 100
    assert live.left() == "8 min 20 s left"


def test_where_there_is_no_terminal_only_failures_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with SilentProgress() as quiet:
        quiet.began(0, CASE)
        quiet.ended(0, CASE, record())
        assert capsys.readouterr().err == ""
        quiet.ended(0, CASE, record(status="failed", reason="so"))
    assert capsys.readouterr().err == f"failed: {CASE}: so\n"


def test_the_plan_is_estimated_as_it_will_run() -> None:
    found = plan_cases(selection())
    cost = {case.key: 1.0 for case in found}
    work = plan_units(found, random.Random(0))
    assert estimate_total(work, cost, 1) == len(found) + START_S * len(work)
