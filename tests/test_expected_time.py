"""How long a comparison is expected to take."""

from pathlib import Path

import pytest
from conftest import ROOT

import backends
import tasks
from bench.compare.decision import Rule
from bench.compare.defaults import with_comparison_defaults
from bench.compare.expected_time import comparison_seconds
from bench.plan.cases import plan_cases
from bench.plan.request import Request
from bench.plan.selection import select
from bench.records import machine

MINUTES = {"numpy": 0.8, "torch": 1.4, "jax": 1.4, "tensorflow": 2.7}
"""What a comparison of three cells took that was clear after one round of ten pairs, on the machine
of the published runs; see the document of the guard."""


def seconds(backend: str, rule: Rule, jobs: int = 2) -> tuple[float, float]:
    request = with_comparison_defaults(Request({"backends": [backend]}), tasks.COMPARED)
    cases = plan_cases(select(request, backends, tasks)[0])
    return comparison_seconds(cases, rule, jobs, tasks, ROOT / "run_bench.py", Path("nowhere"))


@pytest.mark.parametrize("name", MINUTES)
def test_estimate_is_within_a_factor_of_two_of_what_was_measured(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpus", lambda: [0, 1])
    first, last = seconds(name, Rule(pairs=10, rounds=1))
    assert first == last
    assert 0.5 < first / (60 * MINUTES[name]) < 2


def test_more_rounds_widen_the_range_and_one_processor_takes_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "cpus", lambda: [0, 1])
    first, last = seconds("numpy", Rule(pairs=10, rounds=3))
    assert first == seconds("numpy", Rule(pairs=10, rounds=1))[0] < last
    monkeypatch.setattr(machine, "cpus", lambda: [0])
    assert seconds("numpy", Rule(pairs=10, rounds=3), jobs=1)[0] > 1.5 * first
