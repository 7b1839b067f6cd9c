"""A case keeps its identity when it is written and read; other settings make another case."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning import CASE, SIZE, changed_case, selections

import tasks
from bench.plan.case import Case, case_key, model_key
from bench.plan.cases import Selection, plan_cases
from bench.records.record import without_nonfinite

GARBAGE = (None, True, -1, 1.5, math.nan, "nonsense", [], [1], {}, {"a": 1})


@given(st.permutations(list(CASE.flat())))
def test_case_is_the_same_whatever_the_order_of_its_settings(names: list[str]) -> None:
    case = Case.from_flat({name: CASE.flat()[name] for name in names})
    assert case.key == CASE.key
    assert case.model_key == CASE.model_key


@given(st.sampled_from(sorted(CASE.flat())))
def test_case_with_another_setting_is_another_case(name: str) -> None:
    assert case_key({**CASE.flat(), name: "else"}) != CASE.key


@given(selections)
@settings(max_examples=30)
def test_case_written_as_json_and_read_back_is_the_same(selection: Selection) -> None:
    sizes = dict(selection.tasks)
    for case in plan_cases(selection):
        again = Case.from_flat(json.loads(json.dumps(case.flat())))
        assert again == case
        task_type = type(tasks.load(case.task.name).PROFILES["smoke"])
        assert again.sized(task_type) == sizes[case.task.name]


@given(selections)
def test_case_of_another_version_keeps_the_settings_it_does_not_know(selection: Selection) -> None:
    case = plan_cases(selection)[0]
    newer = {**case.flat(), "colour": "red"}
    assert Case.from_flat(newer).flat() == newer
    older = {name: value for name, value in case.flat().items() if name != "optimiser"}
    assert Case.from_flat(older) == case


@pytest.mark.parametrize("name", ["backend", "task", "hidden", "seed", "init", "metric"])
def test_settings_without_a_field_of_a_case_are_refused(name: str) -> None:
    incomplete = {key: value for key, value in CASE.flat().items() if key != name}
    with pytest.raises(ValueError, match="not the settings of a case"):
        Case.from_flat(incomplete)


@pytest.mark.parametrize("settings", GARBAGE)
def test_value_that_is_not_the_settings_of_a_case_is_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match="not the settings of a case"):
        Case.from_flat(settings)


@pytest.mark.parametrize("name", [*sorted(CASE.flat()), "phases", "phase_s"])
@pytest.mark.parametrize("value", GARBAGE)
def test_wrong_value_of_a_setting_raises_nothing_but_a_value_error(name: str, value: Any) -> None:
    speed = {"probe": "speed", "phase_s": 0.1, "phases": "step"}
    try:
        case = Case.from_flat({**CASE.flat(), **speed, name: value})
    except ValueError:
        return
    assert isinstance(str(case), str)


def test_number_that_json_lacks_does_not_change_the_identity_of_a_case() -> None:
    case = changed_case(length=math.inf)
    recorded = without_nonfinite(case.flat())
    assert case_key(recorded) == case.key and model_key(recorded) == case.model_key


@pytest.mark.parametrize("setting", ["length", "hidden", "cell", "dtype", "init", "device"])
def test_proof_of_one_model_is_not_that_of_another_model(setting: str) -> None:
    assert model_key({**CASE.flat(), setting: "else"}) != CASE.model_key


@pytest.mark.parametrize("setting", ["probe", "seed", "launch", "threads"])
def test_proof_of_a_model_holds_for_every_probe_and_repetition(setting: str) -> None:
    assert model_key({**CASE.flat(), setting: "else"}) == CASE.model_key


def test_case_is_shown_with_its_device_and_its_repetition() -> None:
    assert CASE.sized(type(SIZE)) == SIZE
    assert str(CASE) == "numpy rnn adding float32 parity seed 3"
    launched = changed_case(device="cuda:1", probe="speed", launch=2)
    assert str(launched) == "numpy rnn adding float32 on cuda:1 speed launch 2"
