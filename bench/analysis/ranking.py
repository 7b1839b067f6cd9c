"""The speed table, ranked by each phase, and the geometric means over several models."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.flags import UNRANKED
from bench.analysis.rows import TABLE_KEYS, Row
from bench.analysis.statistics import geometric_mean_ratio
from bench.analysis.timing import SPEED_COLUMNS, TABLE_PHASES, timing_entries
from bench.spec import Array

RANKED_KEYS = (*TABLE_KEYS, "cell", "threads")
"""Backends that agree in all of these are ranked against each other."""
OVERALL_KEYS = ("phase", "run", "device", "dtype", "threads")


def speed_table(rows: Sequence[Row], infos: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Times (seconds) and memory (bytes) of the rows with proven parity. Backends that ran the
    same model on the same device with the same number of threads are ranked by each phase; see
    `rank_range`. A phase whose warm-up did not settle or whose machine was loaded has no rank and
    no `relative`, which is the time over the least of the others."""
    proven = [row for row in rows if not row.unproven]
    entries = [entry for row in proven for entry in timing_entries(row, infos)]
    frame = pd.DataFrame(entries, columns=list(SPEED_COLUMNS)).astype(
        {f"{phase}_{name}": float for phase in TABLE_PHASES for name in ("s", "low_s", "high_s")}
        | {f"{phase}_rank_{end}": "Int64" for phase in TABLE_PHASES for end in ("best", "worst")}
    )
    group = frame.groupby(list(RANKED_KEYS), sort=False).ngroup()
    for phase in TABLE_PHASES:
        _rank(frame, phase, group)
    first_time = frame[[f"{phase}_s" for phase in TABLE_PHASES]].bfill(axis=1).iloc[:, 0]
    order = frame.assign(group=group, first_time=first_time)
    order = order.sort_values(["group", "first_time"], kind="stable", ignore_index=True)
    return order.drop(columns=["group", "first_time"])


def phase_rows(speed: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The rows of a speed table that timed a phase, with its columns under the names of
    `PHASE_COLUMNS`. In each group of rows the ranked ones come first, and among them the fastest.
    """
    rows = speed[speed[f"{phase}_s"].notna()].drop(columns="flags")
    rows = rows.rename(columns=lambda name: str(name).removeprefix(f"{phase}_"))
    group = rows.groupby(list(RANKED_KEYS), sort=False).ngroup()
    rows = rows.assign(group=group, unranked=rows["rank_best"].isna())
    rows = rows.sort_values(["group", "unranked", "s"], kind="stable", ignore_index=True)
    return rows.drop(columns=["group", "unranked"])


def rank_range(low: Array, high: Array) -> tuple[Array, Array]:
    """The best and the worst rank that each row can have, given the interval of its time.

    Rows with overlapping intervals cannot be ordered, so each may be before the other: three rows
    that all overlap have ranks 1 to 3. Rows without an interval (NaN) have none.
    """
    faster = high[None, :] < low[:, None]
    slower = low[None, :] > high[:, None]
    known = np.isfinite(low) & np.isfinite(high)
    best = np.where(known, 1.0 + faster.sum(axis=1), np.nan)
    return best, np.where(known, known.sum() - slower.sum(axis=1), np.nan)


def _rank(frame: pd.DataFrame, phase: str, group: "pd.Series[int]") -> None:
    """Fill the ranks and the relative times of a phase, group by group."""
    flags = frame[f"{phase}_flags"].astype(object).where(frame[f"{phase}_s"].notna(), "")
    disturbed = flags.str.contains(f"[{UNRANKED}]").astype(bool)
    ranked = frame[~disturbed]
    times = ranked[f"{phase}_s"]
    frame[f"{phase}_relative"] = times / times.groupby(group).transform("min")
    for _, rows in ranked.groupby(group):
        bounds = (rows[f"{phase}_{bound}_s"].to_numpy(np.float64) for bound in ("low", "high"))
        frame.loc[rows.index, [f"{phase}_rank_best", f"{phase}_rank_worst"]] = np.column_stack(
            rank_range(*bounds)
        )


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
