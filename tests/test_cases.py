"""The cases of a selection: each once, its proof first, and the limits that backends declare."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from planning import CASE, SIZE, changed_case, selection, selections

import backends
import tasks
from bench.plan import bounds
from bench.plan.cases import Selection, case_limit, plan_cases
from bench.plan.probes import DEFAULT_PROBES, PROBES
from bench.spec import Limit, Supports, Unavailable
from tasks.adding import Adding


@given(selections)
def test_every_case_comes_once_and_every_model_is_proven_first(selection: Selection) -> None:
    cases = plan_cases(selection)
    assert len({case.key for case in cases}) == len(cases)
    proven = set()
    for case in cases:
        if case.probe == "parity":
            proven.add(case.model_key)
        assert case.model_key in proven
    settings = selection.settings
    models = 3 * len(settings.cells) * len(settings.dtypes) * len(selection.tasks)
    repetitions = {
        "parity": 1,
        "memory": 1,
        "learning": len(settings.seeds),
        "gradients": len(settings.seeds),
        "lengths": len(settings.seeds),
        "speed": settings.launches,
    }
    assert Counter(case.probe for case in cases) == {
        probe: models * count
        for probe, count in repetitions.items()
        if probe in ("parity", *settings.probes)
    }


def test_longer_sequences_are_scored_only_on_request_and_only_where_a_task_has_them() -> None:
    two_tasks = [("adding", SIZE), ("reber", tasks.load("reber").PROFILES["smoke"])]
    cases = plan_cases(selection(tasks=two_tasks, probes=["lengths"]))
    assert {case.task.name for case in cases if case.probe == "lengths"} == {"adding"}
    assert "lengths" not in DEFAULT_PROBES and set(DEFAULT_PROBES) < set(PROBES)


def test_same_size_twice_is_one_case_and_two_sizes_are_two() -> None:
    alike = selection(tasks=[("adding", SIZE), ("adding", Adding(length=5, steps=2))])
    assert [c.key for c in plan_cases(alike)] == [c.key for c in plan_cases(selection())]
    longer = selection(tasks=[("adding", SIZE), ("adding", Adding(length=6, steps=2))])
    assert len(plan_cases(longer)) == 2 * len(plan_cases(selection()))


@pytest.mark.parametrize(
    "changes",
    [{}, {"probes": ["speed", "memory"], "phases": ["step", "advance"]}, {"probes": ["lengths"]}],
)
def test_run_of_too_many_cases_is_refused_with_their_number(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = selection(cells=["rnn", "gru"], gru=["reset_after", "reset_before"], **changes)
    count = len(plan_cases(chosen))
    monkeypatch.setattr(bounds, "MOST_CASES", count)
    assert len(plan_cases(chosen)) == count
    monkeypatch.setattr(bounds, "MOST_CASES", count - 1)
    with pytest.raises(Unavailable, match=f"would have {count} cases.* 9 models.* 2 launches"):
        plan_cases(chosen)


def test_absurd_number_of_launches_is_refused_before_anything_is_planned() -> None:
    with pytest.raises(Unavailable, match="1,000,000,000 launches"):
        plan_cases(selection(launches=10**9))
    untimed = selection(launches=10**9, probes=["learning"])
    assert len(plan_cases(untimed)) == len(plan_cases(selection(probes=["learning"])))


@pytest.mark.parametrize("size", [{"hidden": 10**9}, {"length": 10**15}, {"batch": 10**30}])
def test_model_that_is_larger_than_the_memory_is_refused(size: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match=r"task adding: rnn with .* GiB, and this machine has"):
        plan_cases(selection(tasks=[("adding", replace(SIZE, **size))]))
    with pytest.raises(Unavailable, match="layers 1,000,000,000,000"):
        plan_cases(selection(layers=[10**12]))


THEIRS = Limit("theirs", "a library's gap")


class DeclaringBackend:
    """A backend that only declares what it supports."""

    def __init__(self, **supports: Any) -> None:
        self.SUPPORTS = Supports(**supports)


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
def test_limit_that_a_backend_declares_is_the_reason_to_skip_a_case(
    supports: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    limited = DeclaringBackend(**supports)
    limit = case_limit(limited, changed_case(**changes))
    assert limit
    assert reason in limit
    unlimited = DeclaringBackend(decoder=True)
    assert case_limit(unlimited, changed_case(**{**changes, "init": "uniform"})) is None
    if changes:
        assert case_limit(limited, CASE) is None


def test_backend_that_declares_nothing_has_no_limit() -> None:
    assert case_limit(object(), CASE) is None
    assert case_limit(backends.load("numpy"), CASE) is None
