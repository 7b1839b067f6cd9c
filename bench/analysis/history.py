"""A metric over the stored runs of one machine, and the runs at which it came to a new level."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.rows import ROW_KEYS, row_label
from bench.analysis.tables import Tables, build_tables
from bench.records.record import Record

LEAST_RUNS = 2
"""Runs that make a level: one run alone may be an accident."""
LEAST_SHARE = 0.01
"""Noise that is never taken to be smaller: a change of about this share is none."""
PENALTY = 3.0
"""Times ln n, in units of the noise, a change must explain."""


@dataclass(frozen=True)
class Metric:
    """Where a metric stands in the tables, its interval where it has one, and what it is told in:
    values are multiplied by `scale`."""

    table: str
    column: str
    unit: str = ""
    scale: float = 1.0
    low: str | None = None
    high: str | None = None


METRICS: Mapping[str, Metric] = {
    **{
        phase: Metric("speed", f"{phase}_s", "ms", 1e3, f"{phase}_low_s", f"{phase}_high_s")
        for phase in ("step", "forward", "gradients")
    },
    "first-calls": Metric("speed", "first_call_s", "s"),
    "memory": Metric("speed", "process_growth_bytes", "MiB", 2**-20),
    "score": Metric("learning", "score", low="score_low", high="score_high"),
    "steps-to-solve": Metric("learning", "steps_to_solve", "steps"),
    "gradient-norm": Metric("learning", "gradient_norm_last"),
    "parity-error": Metric("learning", "parity_error"),
}


@dataclass(frozen=True)
class Point:
    """One run's value with its interval, None where it has none. `about` is the commit and the
    versions that ran."""

    run: str
    started: str
    value: float
    low: float | None
    high: float | None
    about: str


@dataclass(frozen=True)
class MetricHistory:
    """A metric of one model in one backend, in the order in which the runs were started, and where
    a new level begins."""

    cell: str
    points: tuple[Point, ...]
    changes: tuple[int, ...]

    def levels(self) -> list[tuple[int, int, float]]:
        """First point, last point and median of each level."""
        bounds = [0, *self.changes, len(self.points)]
        values = [point.value for point in self.points]
        return [(a, b - 1, float(np.median(values[a:b]))) for a, b in itertools.pairwise(bounds)]


def metric_histories(
    records: Sequence[Record], infos: Mapping[str, Mapping[str, Any]], metric: str
) -> list[MetricHistory]:
    """One a model, backend, device and dtype, over the runs that have it."""
    place, started = METRICS[metric], _started(records)
    made: Tables = build_tables(records, infos)
    table: pd.DataFrame = getattr(made, place.table)
    names = [name for name in ROW_KEYS if name != "run"] + (
        ["threads"] if "threads" in table else []
    )
    found = []
    for key, part in table.groupby(names, sort=False):
        points = [
            Point(
                row["run"],
                started[row["run"]],
                float(row[place.column]),
                _number(row, place.low),
                _number(row, place.high),
                _about(infos.get(row["run"]) or {}),
            )
            for _, row in part.iterrows()
            if _number(row, place.column) is not None
        ]
        if points:
            ordered = tuple(sorted(points, key=lambda point: point.started))
            changes = change_points([point.value for point in ordered])
            own = dict(zip(names, key, strict=True))
            threads = f" {own['threads']} threads" if "threads" in own else ""
            found.append(MetricHistory(row_label(own) + threads, ordered, changes))
    return found


def change_points(values: Sequence[float]) -> tuple[int, ...]:
    """Where a new level begins: the segments of least cost (PELT, Killick et al. 2012) of the
    logarithms over their noise, each change costing `PENALTY` · ln n. The cost is the sum of
    distances from a segment's median, so that one odd run makes no level. The noise is taken from
    the differences of neighbours (von Neumann et al. 1941) by their median, which changes of level
    hardly touch. None with fewer than two levels' worth of runs."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2 * LEAST_RUNS or not np.isfinite(x).all():
        return ()
    import ruptures  # type: ignore[import-untyped]

    x = np.log(x) if (x > 0).all() else x / max(np.max(np.abs(x)), 1e-300)
    noise = 1.4826 * float(np.median(np.abs(np.diff(x)))) / np.sqrt(2)
    found = ruptures.Pelt(model="l1", min_size=LEAST_RUNS, jump=1).fit(x / max(noise, LEAST_SHARE))
    return tuple(found.predict(pen=PENALTY * np.log(len(x)))[:-1])


def _started(records: Iterable[Record]) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in records:
        found[record.run] = min(record.started, found.get(record.run, record.started))
    return found


def _number(row: Any, column: str | None) -> float | None:
    value = None if column is None else row[column]
    return float(value) if value is not None and np.isfinite(value) else None


def _about(info: Mapping[str, Any]) -> str:
    commit = info.get("commit")
    versions = [f"{k} {v}" for k, v in (info.get("versions") or {}).items() if v and k != "python"]
    return ", ".join([*([f"commit {commit[:9]}"] if commit else []), *versions])
