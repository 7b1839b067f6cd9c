"""The speed table, ranked, and each backend's geometric mean over several models."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.rows import TABLE_KEYS, Row
from bench.analysis.statistics import geometric_mean_ratio
from bench.analysis.timing import SPEED_COLUMNS, timing_entries

OVERALL_KEYS = ("run", "device", "dtype", "threads")


def speed_table(
    rows: Sequence[Row], infos: Mapping[str, Mapping[str, Any]], rng: np.random.Generator
) -> pd.DataFrame:
    """Times (seconds) and memory (bytes) of the rows with proven parity. Backends that ran the
    same model on the same device with the same number of threads are ranked by step time, and
    `relative` is the step time over the fastest of them."""
    proven = [row for row in rows if not row.unproven]
    entries = [entry for row in proven for entry in timing_entries(row, infos, rng)]
    frame = pd.DataFrame(entries, columns=list(SPEED_COLUMNS))
    steps = frame.groupby([*TABLE_KEYS, "cell", "threads"], sort=False)["step_s"]
    frame["relative"] = frame["step_s"] / steps.transform("min")
    frame["rank"] = steps.rank(method="min").astype("Int64")
    frame["group"] = steps.ngroup()
    frame = frame.sort_values(["group", "step_s"], kind="stable", ignore_index=True)
    return frame.drop(columns="group")


def overall_table(speed: pd.DataFrame) -> pd.DataFrame:
    """The geometric mean of each backend's `relative` step time, over the models that all backends
    of the same run, device, dtype and number of threads were timed on."""
    entries = []
    for keys, group in speed.groupby(list(OVERALL_KEYS), sort=False):
        grid = group.pivot_table(index=["task", "cell"], columns="backend", values="relative")
        models = grid.dropna()
        for backend in models.columns if len(models) else ():
            ratio = geometric_mean_ratio(models[backend].tolist(), [1.0] * len(models))
            entries.append((*keys, backend, len(models), ratio))
    frame = pd.DataFrame(entries, columns=[*OVERALL_KEYS, "backend", "models", "relative"])
    return frame.sort_values([*OVERALL_KEYS, "relative"], kind="stable", ignore_index=True)
