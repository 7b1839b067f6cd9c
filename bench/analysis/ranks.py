"""Ranks by times with intervals: only as far as the intervals tell the rows apart."""

import numpy as np
import pandas as pd

from bench.analysis.flags import UNRANKED
from bench.analysis.rows import TABLE_KEYS
from bench.spec import Array

RANKED_KEYS = (*TABLE_KEYS, "cell", "threads")
"""Backends that agree in all of these are ranked against each other."""
TIME_COLUMNS = (
    *("s", "low_s", "high_s", "launches", "launches_s"),
    *("rank_best", "rank_worst", "relative", "flags"),
)
"""What a table holds for each ranked time, as `step_s`, `step_low_s`, …"""


def time_columns(name: str) -> tuple[str, ...]:
    """The names of `TIME_COLUMNS` for one time, such as `step`."""
    return tuple(f"{name}_{column}" for column in TIME_COLUMNS)


def rank_rows(frame: pd.DataFrame, name: str) -> None:
    """Fill the ranks of a time and its `relative`, the time over the least of the ranked group.
    Both stay empty for rows with one of the flags `UNRANKED`."""
    bounds = [f"{name}_s", f"{name}_low_s", f"{name}_high_s"]
    frame[bounds] = frame[bounds].astype(float)
    flags = frame[f"{name}_flags"].astype(object).where(frame[f"{name}_s"].notna(), "")
    ranked = frame[~flags.str.contains(f"[{UNRANKED}]").astype(bool)]
    groups = ranked.groupby(list(RANKED_KEYS), sort=False)
    frame[f"{name}_relative"] = ranked[f"{name}_s"] / groups[f"{name}_s"].transform("min")
    low, high = (ranked[bound].to_numpy(np.float64) for bound in bounds[1:])
    ranks = np.full((2, len(ranked)), np.nan)
    for rows in groups.indices.values():
        ranks[:, rows] = rank_range(low[rows], high[rows])
    for end, values in zip(("best", "worst"), ranks, strict=True):
        column = pd.Series(values, ranked.index).reindex(frame.index)
        frame[f"{name}_rank_{end}"] = column.astype("Int64")


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


def ranked_rows(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows that have a time, with its columns under the names of `TIME_COLUMNS`. In each group
    of rows the ranked ones come first, and among them the fastest."""
    rows = frame[frame[f"{name}_s"].notna()].drop(columns="flags")
    rows = rows.rename(columns=lambda column: str(column).removeprefix(f"{name}_"))
    group = rows.groupby(list(RANKED_KEYS), sort=False).ngroup()
    rows = rows.assign(group=group, unranked=rows["rank_best"].isna())
    rows = rows.sort_values(["group", "unranked", "s"], kind="stable", ignore_index=True)
    return rows.drop(columns=["group", "unranked"])
