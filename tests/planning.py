"""Small selections, cases and records, without running anything."""

import math
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

import tasks
from bench.options import Settings
from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.probes import PROBES
from bench.records.record import Record
from bench.spec import CELLS, DTYPES
from tasks.adding import Adding

SIZE = Adding(length=5, steps=2)


def selection(**changes: Any) -> Selection:
    """Two backends on the adding task; `changes` replace settings, or names that are resolved."""
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
    """Strategy for nonempty lists of some of the choices."""
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
"""Strategy for selections of two tasks."""

CASE = plan_cases(selection())[0]


def changed_case(**changes: Any) -> Case:
    """`CASE` with other flat settings."""
    return Case.from_flat({**CASE.flat(), **changes})


def example_record(**changes: Any) -> Record:
    """A valid record, with these fields changed."""
    record = Record(
        run="r",
        case=changed_case(probe="speed", launch=0).flat(),
        status="ok",
        reason=None,
        probe="speed",
        environment="e",
        started="2026-01-01T00:00:00.000+00:00",
        wall_s=1.5,
        metrics={"step_s": 0.25, "load": None},
        samples={"step": [0.25, math.nan]},
    )
    return replace(record, **changes)
