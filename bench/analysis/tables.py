"""All tables of the same records, as raw numbers: seconds and bytes, nothing rounded.

Every number is computed from the stored samples. A row whose parity is not proven enters no table
of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.latency import latency_table
from bench.analysis.learning import learning_table
from bench.analysis.not_measured import not_measured_table
from bench.analysis.ranking import overall_table, speed_table
from bench.analysis.rows import Row, rows_from_records
from bench.records.record import Record

SEED = 0
"""Seeds the bootstrap of all intervals: the same records give the same tables."""


@dataclass(frozen=True)
class Tables:
    """The tables, and the rows they were computed from."""

    rows: Sequence[Row]
    learning: pd.DataFrame
    speed: pd.DataFrame
    overall: pd.DataFrame
    latency: pd.DataFrame
    not_measured: pd.DataFrame


def build_tables(records: Sequence[Record], infos: Mapping[str, Mapping[str, Any]]) -> Tables:
    """All tables. `infos` holds the content of `run.json`, by run."""
    rows = rows_from_records(records, infos)
    rng = np.random.default_rng(SEED)
    speed = speed_table(rows, infos, rng)
    learning = learning_table(rows, infos, rng)
    return Tables(
        rows,
        learning,
        speed,
        overall_table(speed),
        latency_table(rows, infos),
        not_measured_table(rows),
    )
