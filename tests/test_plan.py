"""What was asked for becomes cases that keep their identity, and units that keep them apart."""

import json
import math
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backends
import tasks
from bench.options import Settings
from bench.plan.case import Case, case_key, model_key
from bench.plan.cases import Selection, case_limit, plan_cases
from bench.plan.probes import DEFAULT_PROBES, PROBES
from bench.plan.units import Unit, plan_units
from bench.records.record import without_nonfinite
from bench.spec import CELLS, DTYPES, Limit, Supports
from tasks.adding import Adding

SIZE = Adding(length=5, steps=2)


def selection(**changes: Any) -> Selection:
    """Two backends on this task, but for the changes: settings, or names resolved."""
    settings: dict[str, Any] = {
        "cells": ["rnn", "lstm"],
        "dtypes": ["float32"],
        "probes": PROBES,
        "seeds": [3, 4],
        "launches": 2,
        "phase_s": 0.1,
        "init": "orthogonal",
        "threads": 2,
    }
    resolved: dict[str, Any] = {
        "backends": ["numpy", "other"],
        "tasks": [("adding", SIZE)],
        "devices": {"numpy": ["cpu"], "other": ["cpu", "cuda"]},
    }
    settings |= {name: value for name, value in changes.items() if name not in resolved}
    resolved |= {name: value for name, value in changes.items() if name in resolved}
    return Selection(settings=Settings(**settings), **resolved)


def subsets(choices: Any) -> Any:
    return st.lists(st.sampled_from(choices), unique=True, min_size=1)


selections = st.builds(
    selection,
    cells=subsets(list(CELLS)),
    dtypes=subsets(DTYPES),
    probes=subsets(PROBES),
    seeds=st.lists(st.integers(0, 9), unique=True, min_size=1, max_size=3),
    launches=st.integers(1, 3),
    tasks=st.just([("adding", SIZE), ("memory", tasks.load("memory").PROFILES["smoke"])]),
)
CASE = plan_cases(selection())[0]


# ---- cases ----------------------------------------------------------------------------------


@given(st.permutations(list(CASE.flat())))
def test_a_case_is_the_same_in_whatever_order_its_settings_come(order: list[str]) -> None:
    again = Case.from_flat({name: CASE.flat()[name] for name in order})
    assert again.key == CASE.key
    assert again.model_key == CASE.model_key


@given(st.sampled_from(sorted(CASE.flat())))
def test_a_case_with_another_setting_is_another_case(name: str) -> None:
    assert case_key({**CASE.flat(), name: "else"}) != CASE.key


@given(selections)
def test_a_case_written_as_json_and_read_back_is_the_same(chosen: Selection) -> None:
    sizes = dict(chosen.tasks)
    for case in plan_cases(chosen):
        again = Case.from_flat(json.loads(json.dumps(case.flat())))
        assert again == case
        template = next(iter(tasks.load(case.task.name).PROFILES.values()))
        assert again.sized(template) == sizes[case.task.name]


@given(selections)
def test_case_of_another_version_keeps_the_settings_it_does_not_know(chosen: Selection) -> None:
    case = plan_cases(chosen)[0]
    newer = {**case.flat(), "colour": "red"}
    assert Case.from_flat(newer).flat() == newer
    older = {name: value for name, value in case.flat().items() if name != "optimiser"}
    assert Case.from_flat(older) == case


@pytest.mark.parametrize("name", ["backend", "task", "hidden", "seed", "init", "metric"])
def test_settings_that_lack_a_part_of_a_case_are_refused(name: str) -> None:
    lacking = {key: value for key, value in CASE.flat().items() if key != name}
    with pytest.raises(ValueError, match="not the settings of a case"):
        Case.from_flat(lacking)


def test_numbers_that_json_lacks_do_not_change_what_is_recorded() -> None:
    case = like(length=math.inf)
    recorded = without_nonfinite(case.flat())
    assert case_key(recorded) == case.key and model_key(recorded) == case.model_key


@given(selections)
def test_every_case_comes_once_and_every_model_is_proven_first(chosen: Selection) -> None:
    found = plan_cases(chosen)
    assert len({case.key for case in found}) == len(found)
    proven = set()
    for case in found:
        if case.probe == "parity":
            proven.add(case.model_key)
        assert case.model_key in proven
    models = 3 * len(chosen.settings.cells) * len(chosen.settings.dtypes) * len(chosen.tasks)
    repeated = {
        "parity": 1,
        "memory": 1,
        "learning": len(chosen.settings.seeds),
        "gradients": len(chosen.settings.seeds),
        "lengths": len(chosen.settings.seeds),
        "speed": chosen.settings.launches,
    }
    wanted = {
        p: models * n for p, n in repeated.items() if p == "parity" or p in chosen.settings.probes
    }
    assert Counter(case.probe for case in found) == wanted


def test_longer_sequences_are_scored_where_a_task_has_them_and_only_when_asked_for() -> None:
    both = [("adding", SIZE), ("reber", tasks.load("reber").PROFILES["smoke"])]
    found = plan_cases(selection(tasks=both, probes=["lengths"]))
    assert {case.task.name for case in found if case.probe == "lengths"} == {"adding"}
    assert "lengths" not in DEFAULT_PROBES and set(DEFAULT_PROBES) < set(PROBES)


def test_the_same_size_asked_for_twice_is_one_case_and_two_sizes_are_two() -> None:
    alike = selection(tasks=[("adding", SIZE), ("adding", Adding(length=5, steps=2))])
    assert [c.key for c in plan_cases(alike)] == [c.key for c in plan_cases(selection())]
    longer = selection(tasks=[("adding", SIZE), ("adding", Adding(length=6, steps=2))])
    assert len(plan_cases(longer)) == 2 * len(plan_cases(selection()))


@pytest.mark.parametrize("setting", ["length", "hidden", "cell", "dtype", "init", "device"])
def test_what_is_proven_of_one_model_is_not_of_another(setting: str) -> None:
    assert model_key({**CASE.flat(), setting: "else"}) != CASE.model_key


@pytest.mark.parametrize("setting", ["probe", "seed", "launch", "threads"])
def test_what_is_proven_holds_for_every_probe_and_repetition(setting: str) -> None:
    assert model_key({**CASE.flat(), setting: "else"}) == CASE.model_key


# ---- units ----------------------------------------------------------------------------------


@given(selections, st.randoms(use_true_random=False))
def test_units_hold_every_case_once_each_in_its_own_place(
    chosen: Selection, rng: random.Random
) -> None:
    found = plan_cases(chosen)
    for unit in (made := plan_units(found, rng)):
        places = {(c.backend, c.device, c.threads) for c in unit.cases}
        assert places == {(unit.backend, unit.device, unit.threads)}
        assert {c.probe == "speed" for c in unit.cases} == {unit.timed}
        assert "memory" not in {c.probe for c in unit.cases} or len(unit.cases) == 1
    assert Counter(c.key for u in made for c in u.cases) == Counter(c.key for c in found)


@given(selections, st.randoms(use_true_random=False))
def test_a_model_is_proven_before_another_unit_uses_it(
    chosen: Selection, rng: random.Random
) -> None:
    in_order = [case for unit in plan_units(plan_cases(chosen), rng) for case in unit.cases]
    proven = set()
    for case in in_order:
        if case.probe == "parity":
            proven.add(case.model_key)
        assert case.model_key in proven


def timed(found: list[Unit]) -> list[Unit]:
    return [unit for unit in found if unit.timed]


def test_timed_units_take_turns_launch_by_launch() -> None:
    """Every backend has had its first launch before any has its second."""
    last = plan_units(plan_cases(selection(launches=4)), random.Random(0))[-12:]
    assert last == timed(last)
    for launch in range(4):
        block = last[3 * launch : 3 * launch + 3]
        assert {c.launch for unit in block for c in unit.cases} == {launch}
        places = {(unit.backend, unit.device) for unit in block}
        assert places == {("numpy", "cpu"), ("other", "cpu"), ("other", "cuda")}


def test_the_order_of_timing_changes_from_launch_to_launch_and_is_given_by_the_seed() -> None:
    found = plan_cases(selection(launches=8))
    order = [
        (unit.backend, unit.device, unit.cases[0].model.cell)
        for unit in timed(plan_units(found, random.Random(0)))
    ]
    blocks = [tuple(order[k : k + 3]) for k in range(0, len(order), 3)]
    assert len(set(blocks)) > 3
    assert plan_units(found, random.Random(0)) == plan_units(found, random.Random(0))
    assert plan_units(found, random.Random(0)) != plan_units(found, random.Random(1))


def test_what_shares_a_training_run_stands_next_to_each_other() -> None:
    """They share one training run, which a worker keeps only until the next."""
    first = plan_units(plan_cases(selection(cells=["rnn"])), random.Random(0))[0]
    assert [(c.probe, c.seed) for c in first.cases] == [
        *(("parity", 3), ("learning", 3), ("gradients", 3), ("lengths", 3)),
        *(("learning", 4), ("gradients", 4), ("lengths", 4)),
    ]


# ---- what a backend does not express --------------------------------------------------------


THEIRS = Limit("theirs", "a library's gap")


class Stub:
    """A backend that declares what it is told to."""

    def __init__(self, **supports: Any) -> None:
        self.SUPPORTS = Supports(**supports)


def like(**changes: Any) -> Case:
    return Case.from_flat({**CASE.flat(), **changes})


@pytest.mark.parametrize(
    ("supports", "changes", "reason"),
    [
        ({"cells": ["gru"]}, {}, "no rnn: not written (ours)"),
        ({"cells": ["gru"], "limits": {"rnn": THEIRS}}, {}, "no rnn: a library's gap (theirs)"),
        ({"dtypes": ["float64"]}, {}, "no float32: not written (ours)"),
        ({"gru": ["reset_before"]}, {"cell": "gru"}, "no reset_after: not written (ours)"),
        ({"layers": False}, {"layers": 2}, "no layers: not written (ours)"),
        ({"bidirectional": THEIRS}, {"bidirectional": True}, "a library's gap (theirs)"),
        ({"training": THEIRS}, {"probe": "learning"}, "no training: a library's gap (theirs)"),
        ({"hidden_gradients": THEIRS}, {"probe": "gradients"}, "no hidden gradients: a library's"),
        ({"decoder": THEIRS}, {"decoder": 3, "readout": "every"}, "no decoder: a library's gap"),
        ({}, {"init": "identity", "cell": "lstm"}, "identity"),
    ],
)
def test_a_limit_that_a_backend_declares_is_told(
    supports: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    found = case_limit(Stub(**supports), like(**changes))
    assert found
    assert reason in found
    assert case_limit(Stub(decoder=True), like(**{**changes, "init": "uniform"})) is None
    if changes:
        assert case_limit(Stub(**supports), CASE) is None


def test_a_backend_that_declares_nothing_is_asked() -> None:
    assert case_limit(object(), CASE) is None
    assert case_limit(backends.load("numpy"), CASE) is None
