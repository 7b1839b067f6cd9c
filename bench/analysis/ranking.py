"""The speed table, ranked by each phase, and the geometric means over several models."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis.floor import add_floors
from bench.analysis.ranks import RANKED_KEYS, rank_rows
from bench.analysis.rows import Row
from bench.analysis.statistics import geometric_mean_ratio
from bench.analysis.timing import SPEED_COLUMNS, TABLE_PHASES, timing_entries

OVERALL_KEYS = ("phase", "run", "device", "dtype", "threads")


def speed_table(rows: Sequence[Row], infos: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Times (seconds) and memory (bytes) of the rows with proven parity. Backends that ran the
    same model on the same device with the same number of threads are ranked by each phase; see
    `rank_rows`. A phase whose warm-up did not settle or whose machine was loaded has no rank and
    no `relative`, which is the time over the least of the others. For `over_floor` see
    `add_floors`."""
    proven = [row for row in rows if not row.unproven]
    entries = [entry for row in proven for entry in timing_entries(row, infos)]
    frame = pd.DataFrame(entries, columns=list(SPEED_COLUMNS))
    for phase in TABLE_PHASES:
        rank_rows(frame, phase)
    add_floors(frame, proven, infos)
    group = frame.groupby(list(RANKED_KEYS), sort=False).ngroup()
    first_time = frame[[f"{phase}_s" for phase in TABLE_PHASES]].bfill(axis=1).iloc[:, 0]
    order = frame.assign(group=group, first_time=first_time)
    order = order.sort_values(["group", "first_time"], kind="stable", ignore_index=True)
    return order.drop(columns=["group", "first_time"])


def overall_table(speed: pd.DataFrame) -> pd.DataFrame:
    """The geometric mean of each backend's `relative` time, by phase, over the models that all
    backends of the same run, device, dtype and number of threads were timed on undisturbed."""
    entries = []
    for phase in TABLE_PHASES:
        timed = speed[speed[f"{phase}_s"].notna()]
        for keys, group in timed.groupby(list(OVERALL_KEYS[1:]), sort=False):
            entries += [(phase, *keys, *mean) for mean in _means(group, f"{phase}_relative")]
    return pd.DataFrame(entries, columns=[*OVERALL_KEYS, "backend", "models", "relative"])


def _means(group: pd.DataFrame, column: str) -> list[tuple[str, int, float]]:
    """Backend, number of models and geometric mean, the fastest backend first."""
    grid = group.pivot_table(index=["task", "cell"], columns="backend", values=column)
    models = grid.dropna()
    means = [
        (backend, len(models), geometric_mean_ratio(models[backend].tolist(), [1.0] * len(models)))
        for backend in models.columns
    ]
    return sorted(means, key=lambda mean: mean[-1]) if len(models) else []
