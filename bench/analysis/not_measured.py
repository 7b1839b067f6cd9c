"""The table of what was not measured: failed, skipped, or left out of the results, and why."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from bench.analysis.rows import ROW_KEYS, Row
from bench.analysis.timing import has_all_samples
from bench.plan.probes import UNPROVEN
from bench.records.record import Record

NOT_MEASURED_COLUMNS = (*ROW_KEYS, "probes", "cases", "status", "reason")


def not_measured_table(rows: Sequence[Row]) -> pd.DataFrame:
    """One entry for each row, status and reason, with the probes that it concerns
    (`parity, learning ×3`) and the number of their cases."""
    entries = []
    for row in rows:
        probes_by_reason: dict[tuple[str, str], Counter[str]] = {}
        for record in row.records:
            if status_and_reason := _status_and_reason(row, record):
                probes_by_reason.setdefault(status_and_reason, Counter())[record.probe] += 1
        for (status, reason), probes in probes_by_reason.items():
            names = (f"{name} ×{count}" if count > 1 else name for name, count in probes.items())
            entries.append((*row.keys.values(), ", ".join(names), probes.total(), status, reason))
    return pd.DataFrame(entries, columns=list(NOT_MEASURED_COLUMNS))


def _status_and_reason(row: Row, record: Record) -> tuple[str, str] | None:
    """Status and reason of a record that enters no table of results; None for the others."""
    if record.status == "ok":
        if row.unproven and record.probe != "parity":
            return "left out", UNPROVEN + row.unproven
        if record.probe == "speed" and not has_all_samples(record):
            return "left out", "samples are missing"
        return None
    if record.probe != "parity" and record.reason == UNPROVEN + (row.unproven or ""):
        return record.status, f"{UNPROVEN}see parity"
    return record.status, record.reason or "no reason recorded"
