"""Records of made-up seeds for the tests of studies."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from conftest import bench_for

from bench.records.record import Record
from studies.experiment import Experiment
from studies.tables.markdown import records_by_experiment
from tasks import adding

BACKENDS = ("a", "b", "c", "d")
CHECKPOINTS = [float(k) for k in range(0, 1001, 25)]
SMOKE = adding.PROFILES["smoke"]


def small_experiment(name: str = "it", **settings: Any) -> Experiment:
    """An experiment on the smallest adding problem."""
    return Experiment(
        **{"name": name, "group": "g", "task_name": "adding", "task": SMOKE, **settings}
    )


@cache
def _smoke_case() -> Mapping[str, Any]:
    return bench_for("numpy", "learning", dtype="float32").case.flat()


def learning_record(
    seed: int,
    sequences: float | None,
    backend: str = "a",
    cell: str = "lstm",
    probe: str = "learning",
    **metrics: Any,
) -> Record:
    """One seed, solved after so many sequences, or never (None)."""
    case: Mapping[str, Any] = {
        **_smoke_case(),
        "backend": backend,
        "cell": cell,
        "metric": "mse",
        "probe": probe,
        "seed": seed,
    }
    return Record(
        run="r",
        case=case,
        status="ok",
        reason=None,
        probe=probe,
        environment="e",
        started="2026-01-01T00:00:00+00:00",
        wall_s=1.0,
        metrics={
            "solved": float(sequences is not None),
            "sequences_to_solve": sequences,
            "score": 0.5,
            "threshold": 100.0,
            **metrics,
        },
    )


def seeds(updates: Sequence[float | None], cell: str, score: float = 0.5) -> list[Record]:
    """A seed for each number of updates until solved; the scores are `score`, `score` + 1, …"""
    return [
        learning_record(k, count, cell=cell, steps_to_solve=count, score=score + k)
        for k, count in enumerate(updates)
    ]


def grouped(records: Sequence[Record], *experiments: Experiment) -> dict[str, list[Record]]:
    """The records by experiment, where every experiment needs all of them."""
    return records_by_experiment({record.key: experiments for record in records}, records)


def in_every_backend(seed: int, rng: np.random.Generator, slowdown: float = 1.0) -> list[Record]:
    """One seed in four backends whose curves diverge by rounding.

    They are solved at about the same checkpoint, the last backend after `slowdown` times as many
    updates.
    """
    solved = rng.uniform(200, 600)
    records = []
    for name in BACKENDS:
        update = solved * rng.uniform(0.97, 1.03) * (slowdown if name == BACKENDS[-1] else 1)
        checkpoint = next(k for k in CHECKPOINTS if k >= update)
        record = learning_record(seed, None, backend=name, steps_to_solve=checkpoint)
        loss = np.exp(-np.arange(1000) / 300) * (1 + 1e-7 * rng.uniform() * 1.02 ** np.arange(1000))
        samples = {"loss": loss.tolist(), "checkpoint_step": CHECKPOINTS}
        case = {**record.case, "steps": 1000}
        records.append(replace(record, case=case, samples=samples))
    return records
