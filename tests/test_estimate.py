"""The expected time of a run follows earlier records, and otherwise a rough model."""

import random
from pathlib import Path
from typing import Any

import pytest
from planning import CASE, SIZE, changed_case, example_record, selection

from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.plan.estimate import (
    START_S,
    PastCost,
    PastCosts,
    cost_group,
    estimate_seconds,
    estimate_total,
    past_costs,
)
from bench.plan.units import Unit, plan_units
from bench.records.folder import RunFolder
from tasks.adding import Adding


def recorded(root: Path, run: str, case: Case, *wall_s: float, **changes: Any) -> RunFolder:
    """A new run with a record of the case for each wall-clock time."""
    folder = RunFolder.create(root, run, {})
    fields = {"case": case.flat(), "probe": case.probe, **changes}
    for seconds in wall_s:
        folder.append(example_record(wall_s=seconds, **fields))
    return folder


def costs(*pairs: tuple[Case, float]) -> PastCosts:
    """The earlier cost of each case."""
    return {cost_group(case.flat()): PastCost(case.flat(), [s]) for case, s in pairs}


def estimate(case: Case, past: PastCosts) -> float:
    return estimate_seconds([case], {"adding": Adding}, past)[0]


def test_case_is_expected_to_take_the_median_of_earlier_cases_like_it(tmp_path: Path) -> None:
    recorded(tmp_path, "a", changed_case(seed=8), 1.0, 2.0)
    recorded(tmp_path, "b", changed_case(seed=9), 60.0)
    recorded(tmp_path, "c", changed_case(hidden=5), 1000.0)
    recorded(tmp_path, "d", CASE, 1000.0, status="failed")
    assert estimate(CASE, past_costs(tmp_path)) == 2.0


def test_damaged_run_is_left_out(tmp_path: Path) -> None:
    recorded(tmp_path, "a", CASE, 1.0)
    recorded(tmp_path, "b", CASE, 5.0).records_file.write_text("{\n")
    assert past_costs(tmp_path) == costs((CASE, 1.0))
    assert past_costs(tmp_path / "nowhere") == {}


def test_more_work_is_expected_to_take_longer_without_earlier_records() -> None:
    def rough(probe: str, **size: int) -> float:
        return estimate(changed_case(probe=probe, **{"length": 50, "steps": 1000, **size}), {})

    assert rough("learning", steps=10_000) > 2 * rough("learning")
    assert rough("learning", length=500) > 2 * rough("learning")
    assert rough("learning", batch=500, hidden=500) > 100 * rough("learning")
    assert rough("speed", length=500) > rough("speed")
    assert estimate(changed_case(probe="speed", phase_s=2.0), {}) > 12


def test_rough_model_is_scaled_by_its_error_for_other_work_of_the_backend() -> None:
    rough = estimate(CASE, {})

    def estimate_after(case: Case, factor: float) -> float:
        """The estimate after a case that took `factor` times as long as its rough estimate."""
        return estimate(CASE, costs((case, factor * estimate(case, {}))))

    assert estimate_after(changed_case(length=50), 3.0) == pytest.approx(3 * rough)
    for unlike in ({"backend": "other"}, {"device": "cuda"}, {"probe": "gradients"}):
        assert estimate_after(changed_case(length=50, **unlike), 3.0) == rough


@pytest.mark.parametrize(
    "changes", [{"task": "removed"}, {"phase_s": 1, "phases": 3}, {"phase_s": "long"}]
)
def test_record_of_a_removed_task_or_another_version_is_ignored(changes: dict[str, Any]) -> None:
    settings = {**changed_case(probe="learning", length=50).flat(), **changes}
    past = {cost_group(settings): PastCost(settings, [1000.0])}
    assert estimate(CASE, past) == estimate(CASE, {})


def test_untimed_units_share_the_workers_and_timed_units_do_not() -> None:
    learning = changed_case(probe="learning", length=SIZE.length)

    def unit(backend: str, timed: bool, *cases: Case) -> Unit:
        return Unit(backend, "cpu", 1, timed, cases or (learning,))

    cost, one_unit = {CASE.key: 10.0, learning.key: 10.0}, START_S + 10
    a, b = unit("a", False), unit("b", False)
    assert estimate_total([], cost, 2) == 0
    assert estimate_total([a], cost, 2) == one_unit
    assert estimate_total([a, b], cost, 1) == 2 * one_unit
    assert estimate_total([a, b], cost, 2) == one_unit
    assert estimate_total([a, unit("a", False)], cost, 2) == one_unit
    proof = unit("a", False, CASE)
    assert estimate_total([proof, a], cost, 2) == 2 * one_unit
    assert estimate_total([proof, b], cost, 2) == one_unit
    assert estimate_total([proof, unit("a", False, CASE, learning)], cost, 2) == START_S + 20
    assert estimate_total([proof] + 4 * [a], cost, 2) == 2.5 * one_unit
    assert estimate_total([a, b, unit("a", True), unit("b", True)], cost, 2) == 3 * one_unit


def test_total_with_one_worker_is_the_sum_of_cases_and_starts() -> None:
    cases = plan_cases(selection())
    cost = {case.key: 1.0 for case in cases}
    units = plan_units(cases, random.Random(0))
    assert estimate_total(units, cost, 1) == len(cases) + START_S * len(units)
