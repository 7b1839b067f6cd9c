"""Whether all cases of a run are recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.records.planned import missing_count
from bench.records.record import Record


def missing_cases(records: Sequence[Record], info: Mapping[str, Any]) -> str | None:
    """A line on the planned cases of a run that have no record; None where there are none.

    The run still runs, was stopped, or has lost records. `info` is the content of `run.json`, which
    older versions wrote without the planned cases, or with their number alone.
    """
    planned, recorded = info.get("planned") or 0, {record.key for record in records}
    lost = missing_count(info.get("planned_cases") or "", recorded)
    if (missing := max(lost, planned - len(recorded))) <= 0:
        return None
    return f"incomplete: {missing} of {planned} planned cases have no record that counts"
