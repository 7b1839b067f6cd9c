"""All tables of the same records, as raw numbers: seconds and bytes, nothing rounded.

Every number is computed from the stored samples. A row whose parity is not proven enters no table
of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.latency import latency_table
from bench.analysis.learning import learning_table
from bench.analysis.not_measured import not_measured_table
from bench.analysis.ranking import overall_table, speed_table
from bench.analysis.rows import Row, rows_from_records
from bench.analysis.timing import TABLE_PHASES
from bench.plan.probes import ADVANCE, PHASES
from bench.records.record import Record


@dataclass(frozen=True)
class Tables:
    """The tables, the rows they were computed from, and the timed phases of the speed table to
    show, in the order of `TABLE_PHASES`."""

    rows: Sequence[Row]
    learning: pd.DataFrame
    speed: pd.DataFrame
    overall: pd.DataFrame
    latency: pd.DataFrame
    not_measured: pd.DataFrame
    speed_phases: Sequence[str]

    @property
    def phases(self) -> list[str]:
        """All timed phases to show."""
        return [*self.speed_phases, *([ADVANCE] if len(self.latency) else [])]


def build_tables(
    records: Sequence[Record],
    infos: Mapping[str, Mapping[str, Any]],
    phases: Sequence[str] = PHASES,
) -> Tables:
    """All tables. `infos` holds the content of `run.json`, by run; of the timed phases those in
    `phases` are shown."""
    rows = rows_from_records(records, infos)
    speed = speed_table(rows, infos)
    timed = [p for p in TABLE_PHASES if p in phases and speed[f"{p}_s"].notna().any()]
    return Tables(
        rows=rows,
        learning=learning_table(rows, infos),
        speed=speed,
        overall=overall_table(speed),
        latency=latency_table(rows if ADVANCE in phases else (), infos),
        not_measured=not_measured_table(rows),
        speed_phases=timed,
    )
