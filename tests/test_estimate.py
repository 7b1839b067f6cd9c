"""The expected time of a run follows earlier records, and otherwise a rough model."""

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from planning import CASE, SIZE, changed_case, example_record, selection

import tasks
from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.plan.estimate import (
    START_S,
    estimate_seconds,
    estimate_total,
)
from bench.plan.past_costs import PastCost, PastCosts, cost_group, past_costs, run_costs
from bench.plan.units import Unit, plan_units
from bench.records.folder import RunFolder
from bench.records.record import Record

PUBLISHED = [ROOT / "results" / n for n in ("adding-cpu", "growth-cpu", "implementations-cpu")]


def recorded(root: Path, run: str, case: Case, *wall_s: float, **changes: Any) -> RunFolder:
    """A new run with a record of the case for each wall-clock time."""
    folder = RunFolder.create(root, run, {})
    for seconds in wall_s:
        folder.append(record_of(case, wall_s=seconds, **changes))
    return folder


def record_of(case: Case, **changes: Any) -> Record:
    """A valid record of the case, with these fields changed."""
    proof = {"parity_error": 1e-7, "parity_tolerance": 1e-5} if case.probe == "parity" else {}
    fields = {"case": case.flat(), "probe": case.probe, "metrics": proof, **changes}
    return example_record(**fields)


def costs(*pairs: tuple[Case, float]) -> PastCosts:
    """The earlier costs of these cases."""
    past: dict[str, PastCost] = {}
    for case, seconds in pairs:
        cost = past.setdefault(cost_group(case.flat()), PastCost(case.flat()))
        cost.times.append(seconds)
    return past


def estimate(case: Case, past: PastCosts) -> float:
    return estimate_seconds([case], tasks, [past])[0]


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


def test_costs_come_from_the_newest_records_whatever_else_there_is(tmp_path: Path) -> None:
    """However large a results folder is, so much of it is read, and so much of each run."""
    sizes = range(1, 41)
    for age, name in enumerate(("new", "old")):
        cases = [changed_case(task=name, hidden=size) for size in sizes]
        folder = recorded(tmp_path, name, cases[0], 1.0)
        for case in cases[1:]:
            folder.append(record_of(case))
        os.utime(folder.records_file, times=(1e9 - age, 1e9 - age))
    line = max(map(len, folder.records_file.read_bytes().splitlines())) + 1

    def read(most_lines: int, run_lines: int) -> dict[str, list[int]]:
        """The sizes of which the costs are known, by run."""
        past = past_costs(tmp_path, most_lines * line, run_lines * line)
        hidden: dict[str, list[int]] = {}
        for cost in past.values():
            hidden.setdefault(cost.settings["task"], []).append(cost.settings["hidden"])
        return hidden

    assert read(200, 100) == {"new": [*sizes], "old": [*sizes]}
    by_run = read(200, 10)
    assert {name: hidden[-1] for name, hidden in by_run.items()} == {"new": 40, "old": 40}
    assert all(8 <= len(hidden) <= 10 for hidden in by_run.values())
    newest = read(10, 10)
    assert newest["new"] == by_run["new"] and len(newest.get("old", ())) <= 1


def test_packed_and_damaged_records_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    folder = recorded(tmp_path, "a", CASE, 1.0, 3.0)
    folder.pack()
    folder.records_file.write_bytes(b'{"half": ')
    assert past_costs(tmp_path) == costs((CASE, 1.0), (CASE, 3.0))
    folder.packed_file.write_bytes(folder.packed_file.read_bytes()[:-20])
    assert past_costs(tmp_path).keys() <= costs((CASE, 1.0)).keys()


def test_more_work_is_expected_to_take_longer_without_earlier_records() -> None:
    def rough(probe: str, **size: int) -> float:
        return estimate(changed_case(probe=probe, **{"length": 50, "steps": 1000, **size}), {})

    assert rough("learning", steps=10_000) > 2 * rough("learning")
    assert rough("learning", length=500) > 2 * rough("learning")
    assert rough("learning", batch=500, hidden=500) > 100 * rough("learning")
    assert rough("memory", length=5000) > rough("memory")
    assert estimate(changed_case(probe="speed", phase_s=2.0), {}) > 6


def test_rough_model_is_corrected_by_other_work_of_the_same_kind() -> None:
    rough = estimate(CASE, {})

    def estimate_after(factor: float, **other: Any) -> float:
        """The estimate after cases that took `factor` times as long as their rough estimates."""
        cases = [changed_case(length=length, **other) for length in (50, 500, 5000)]
        return estimate(CASE, costs(*((case, factor * estimate(case, {})) for case in cases)))

    assert estimate_after(3.0) == pytest.approx(3 * rough, rel=0.2)
    assert estimate_after(0.1) == pytest.approx(0.1 * rough, rel=2)
    for unlike in ({"backend": "other"}, {"device": "cuda"}, {"probe": "gradients"}):
        assert estimate_after(3.0, **unlike) == rough


def test_preparation_and_work_are_told_apart() -> None:
    """Small cases that only prepare say nothing about the work of a large one."""
    small, large = changed_case(length=2), changed_case(length=50_000)
    slow_start = costs((small, 10 * estimate(small, {})))
    assert estimate(small, slow_start) == 10 * estimate(small, {})
    assert estimate(large, slow_start) < 2 * estimate(large, {})


def test_time_that_the_settings_prescribe_is_the_same_in_every_backend() -> None:
    short, long = (changed_case(probe="speed", phase_s=s, launch=0) for s in (0.1, 10.1))
    after = {length: costs((short, length)) for length in (1.0, 10.0)}
    for past in ({}, *after.values()):
        assert estimate(long, past) > estimate(short, past)
    assert all(estimate(long, past) - estimate(long, {}) < 10 for past in after.values())


def test_later_costs_correct_earlier_ones() -> None:
    """Runs on this machine say more about it than published runs."""
    large = changed_case(length=500)
    published, own = costs((large, 100.0)), costs((large, 1.0))
    assert estimate_seconds([large], tasks, [published, own]) == [1.0]
    (corrected,) = estimate_seconds([CASE], tasks, [published, own])
    assert corrected < estimate(CASE, published)


def test_task_that_needs_data_or_is_a_file_is_not_opened_for_an_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    load, before = tasks.load, {*sys.modules}
    monkeypatch.setattr(tasks, "load", lambda name: (opened.append(name), load(name))[1])
    names = ("./mine.py", "removed", "classification", "memory")
    past = costs(*((changed_case(task=name), 5.0) for name in names))
    assert estimate(CASE, past) == estimate(CASE, {})
    assert set(opened) == {"adding", "classification", "memory"}
    assert not {m for m in {*sys.modules} - before if m.startswith(("mnist1d", "sktime"))}


@pytest.mark.parametrize("changes", [{"phase_s": 1, "phases": 3}, {"phase_s": "long"}, {"task": 3}])
def test_record_of_another_version_is_ignored(changes: dict[str, Any]) -> None:
    settings = {**changed_case(probe="learning", length=50).flat(), **changes}
    past = {cost_group(settings): PastCost(settings, [1000.0])}
    assert estimate(CASE, past) == estimate(CASE, {})


@pytest.mark.parametrize("run", ["adding-cpu", "growth-cpu", "implementations-cpu"])
def test_published_run_is_estimated_from_the_others_within_a_factor_of_two(run: str) -> None:
    """All three were measured on one machine."""
    runs = {path.name: run_costs(path) for path in PUBLISHED}
    measured = runs.pop(run)
    cases = [Case.from_flat(cost.settings) for cost in measured.values()]
    expected = estimate_seconds(cases, tasks, list(runs.values()))
    counted = [len(cost.times) * s for cost, s in zip(measured.values(), expected, strict=True)]
    total = sum(sum(cost.times) for cost in measured.values())
    assert 0.5 < sum(counted) / total < 2


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
