"""Whether all cases of a run are recorded."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.records.record import Record


def missing_cases(records: Sequence[Record], info: Mapping[str, Any]) -> str | None:
    """A line on the planned cases of a run that have no record; None where there are none.

    The run still runs, was stopped, or has lost records. `info` is the content of `run.json`, which
    older versions wrote without the number of planned cases.
    """
    planned, recorded = info.get("planned") or 0, len({record.key for record in records})
    if recorded >= planned:
        return None
    return f"incomplete: {planned - recorded} of {planned} planned cases have no record that counts"
