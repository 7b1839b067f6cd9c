"""Units hold every case once, keep apart what must not share a process, and set the order."""

import random
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning import SIZE, selection, selections

from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.estimate import estimate_total
from bench.plan.units import Unit, longest_first, plan_units

rngs = st.randoms(use_true_random=False)


def timed(units: list[Unit]) -> list[Unit]:
    return [unit for unit in units if unit.timed]


@given(selections, rngs)
def test_units_hold_every_case_once_with_its_backend_device_and_threads(
    selection: Selection, rng: random.Random
) -> None:
    cases = plan_cases(selection)
    units = plan_units(cases, rng)
    for unit in units:
        processes = {(case.backend, case.device, case.threads) for case in unit.cases}
        assert processes == {(unit.backend, unit.device, unit.threads)}
        assert {case.probe == "speed" for case in unit.cases} == {unit.timed}
        assert "memory" not in {case.probe for case in unit.cases} or len(unit.cases) == 1
    in_units = Counter(case.key for unit in units for case in unit.cases)
    assert in_units == Counter(case.key for case in cases)


@given(selections, rngs)
def test_model_is_proven_before_another_unit_uses_it(
    selection: Selection, rng: random.Random
) -> None:
    proven = set()
    for case in (case for unit in plan_units(plan_cases(selection), rng) for case in unit.cases):
        if case.probe == "parity":
            proven.add(case.model_key)
        assert case.model_key in proven


@given(selections, rngs, st.dictionaries(st.sampled_from(["numpy", "other"]), st.integers(0, 9)))
def test_backend_that_takes_longest_begins_first(
    selection: Selection, rng: random.Random, seconds_of_a_case: dict[str, int]
) -> None:
    cases = plan_cases(selection)
    units = plan_units(cases, rng)
    seconds = {case.key: float(seconds_of_a_case.get(case.backend, 1)) for case in cases}
    ordered = longest_first(units, seconds)
    untimed = ordered[: len(units) - len(timed(units))]
    assert sorted(map(id, ordered)) == sorted(map(id, units))
    assert ordered[len(untimed) :] == timed(units)
    groups: dict[tuple[str, str], list[Unit]] = {}
    for unit in untimed:
        groups.setdefault((unit.backend, unit.device), []).append(unit)
    for (backend, device), group in groups.items():
        assert group == [
            u for u in units if (u.backend, u.device, u.timed) == (backend, device, False)
        ]
    totals = [
        sum(seconds[c.key] for unit in group for c in unit.cases) for group in groups.values()
    ]
    assert totals == sorted(totals, reverse=True)


def test_timed_units_take_turns_launch_by_launch() -> None:
    """Every backend finishes its first launch before any starts its second."""
    units = plan_units(plan_cases(selection(launches=4)), random.Random(0))[-12:]
    assert units == timed(units)
    for launch in range(4):
        block = units[3 * launch : 3 * launch + 3]
        assert {case.launch for unit in block for case in unit.cases} == {launch}
        processes = {(unit.backend, unit.device) for unit in block}
        assert processes == {("numpy", "cpu"), ("other", "cpu"), ("other", "cuda")}


def test_order_of_timing_changes_from_launch_to_launch_and_follows_the_seed() -> None:
    cases = plan_cases(selection(launches=8))
    order = [
        (unit.backend, unit.device, unit.cases[0].model.cell)
        for unit in timed(plan_units(cases, random.Random(0)))
    ]
    blocks = {tuple(order[k : k + 3]) for k in range(0, len(order), 3)}
    assert len(blocks) > 3
    assert plan_units(cases, random.Random(0)) == plan_units(cases, random.Random(0))
    assert plan_units(cases, random.Random(0)) != plan_units(cases, random.Random(1))


def test_cases_that_share_a_training_run_are_adjacent() -> None:
    """A worker keeps a training run only until the next one."""
    first = plan_units(plan_cases(selection(cells=["rnn"])), random.Random(0))[0]
    assert [(case.probe, case.seed) for case in first.cases] == [
        *(("parity", 3), ("learning", 3), ("gradients", 3), ("lengths", 3)),
        *(("learning", 4), ("gradients", 4), ("lengths", 4)),
    ]


class CountedCase(Case):
    """A case that counts how often any of its settings is read."""

    reads = 0

    def __getattribute__(self, name: str) -> Any:
        CountedCase.reads += not name.startswith("__")
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    "changes",
    [{"launches": 200}, {"tasks": [("adding", replace(SIZE, hidden=h)) for h in range(1, 101)]}],
)
def test_planning_of_units_is_linear_in_the_cases(changes: dict[str, Any]) -> None:
    def reads_per_case(changes: dict[str, Any]) -> float:
        planned = plan_cases(selection(cells=["rnn"], backends=["numpy"], **changes))
        names = [field.name for field in fields(Case)]
        cases = [CountedCase(**{name: getattr(case, name) for name in names}) for case in planned]
        CountedCase.reads = 0
        units = plan_units(cases, random.Random(0))
        estimate_total(units, {case.key: 1.0 for case in planned}, 2)
        return CountedCase.reads / len(cases)

    ((name, value),) = changes.items()
    half = value // 2 if name == "launches" else value[: len(value) // 2]
    assert reads_per_case(changes) < 1.2 * reads_per_case({name: half})
