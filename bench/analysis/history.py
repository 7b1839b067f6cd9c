"""Series of a metric over the stored runs of one machine, and their change points."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.rows import ROW_KEYS, row_label
from bench.analysis.tables import build_tables
from bench.records.record import Record

MIN_RUNS = 2
"""The fewest runs that make a level: a single odd run may be an accident."""
MIN_NOISE = 0.01
"""The noise is never taken to be smaller than this, so changes of about 1% are not reported."""
PENALTY = 3.0
"""The cost of a change point, in units of the noise times ln n."""
MAD_TO_SIGMA = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class Metric:
    """Where a metric stands in the tables (the table, its column and, if any, the columns of its
    interval) and how to display it: multiply by `scale` to get the unit."""

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
    "advance": Metric("latency", "p50_s", "µs", 1e6, "p50_low_s", "p50_high_s"),
    "first-calls": Metric("speed", "first_call_s", "s"),
    "memory": Metric("speed", "process_growth_bytes", "MiB", 2**-20),
    "score": Metric("learning", "score", low="score_low", high="score_high"),
    "steps-to-solve": Metric("learning", "steps_to_solve", "steps"),
    "gradient-norm": Metric("learning", "gradient_norm_last"),
    "parity-error": Metric("learning", "parity_error"),
}


@dataclass(frozen=True)
class Point:
    """The value of one run, with its interval where it has one. `software` names the commit and
    the versions that ran."""

    run: str
    started: datetime
    value: float
    low: float | None
    high: float | None
    software: str


@dataclass(frozen=True)
class MetricHistory:
    """A metric of one model in one backend, by the start of the runs. `changes` are the indices of
    the points that begin a new level."""

    label: str
    points: tuple[Point, ...]
    changes: tuple[int, ...]

    def levels(self) -> list[tuple[int, int, float]]:
        """First index, last index and median of each level."""
        bounds = [0, *self.changes, len(self.points)]
        values = [point.value for point in self.points]
        return [(a, b - 1, float(np.median(values[a:b]))) for a, b in itertools.pairwise(bounds)]


def metric_histories(
    records: Sequence[Record], infos: Mapping[str, Mapping[str, Any]], metric: str
) -> list[MetricHistory]:
    """One history for each model, backend, device, dtype and number of threads that has the metric
    in some run. `infos` holds the content of `run.json`, by run."""
    started = _start_times(records)
    frame: pd.DataFrame = getattr(build_tables(records, infos), METRICS[metric].table)
    names = [name for name in (*ROW_KEYS, "threads") if name != "run" and name in frame]
    histories = []
    for values, group in frame.groupby(names, sort=False):
        if points := _points(group, METRICS[metric], started, infos):
            keys = dict(zip(names, values, strict=True))
            threads = f" {keys['threads']} threads" if "threads" in keys else ""
            changes = change_points([point.value for point in points])
            histories.append(MetricHistory(row_label(keys) + threads, points, changes))
    return histories


def _points(
    group: pd.DataFrame,
    metric: Metric,
    started: Mapping[str, datetime],
    infos: Mapping[str, Mapping[str, Any]],
) -> tuple[Point, ...]:
    """The runs that have the metric, by the time at which they were started."""
    points = [
        Point(
            row["run"],
            started[row["run"]],
            value,
            _number(row, metric.low),
            _number(row, metric.high),
            _software(infos.get(row["run"]) or {}),
        )
        for _, row in group.iterrows()
        if (value := _number(row, metric.column)) is not None
    ]
    return tuple(sorted(points, key=lambda point: point.started))


def change_points(values: Sequence[float]) -> tuple[int, ...]:
    """The indices at which a new level begins; none where the values are too few for two levels.

    PELT (Killick et al. 2012) finds the segmentation of least cost of the logarithms over their
    noise; each change costs `PENALTY` · ln n. The cost of a segment is the sum of the distances
    from its median, so that one odd run makes no level. The noise is the median absolute
    difference of neighbours (after von Neumann et al. 1941), which changes of level hardly move.
    Values that are not all positive are divided by the largest instead of taking logarithms."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2 * MIN_RUNS or not np.isfinite(x).all():
        return ()
    import ruptures  # type: ignore[import-untyped]

    x = np.log(x) if (x > 0).all() else x / max(np.max(np.abs(x)), 1e-300)
    noise = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(x)))) / np.sqrt(2)
    segmentation = ruptures.Pelt(model="l1", min_size=MIN_RUNS, jump=1)
    segmentation.fit(x / max(noise, MIN_NOISE))
    return tuple(segmentation.predict(pen=PENALTY * np.log(len(x)))[:-1])


def _start_times(records: Iterable[Record]) -> dict[str, datetime]:
    """When the first case of each run was started; a time without a zone is UTC's."""
    started: dict[str, datetime] = {}
    for record in records:
        time = datetime.fromisoformat(record.started)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        started[record.run] = min(time, started.get(record.run, time))
    return started


def _number(row: Any, column: str | None) -> float | None:
    value = None if column is None else row[column]
    return float(value) if value is not None and np.isfinite(value) else None


def _software(info: Mapping[str, Any]) -> str:
    """`commit 0123abcde, torch 2.13.0`."""
    commit = info.get("commit")
    versions = [f"{k} {v}" for k, v in (info.get("versions") or {}).items() if v and k != "python"]
    return ", ".join([*([f"commit {commit[:9]}"] if commit else []), *versions])
