"""The record of one case, its text form, and the checks of its fields."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1
STATUSES = ("ok", "failed", "skipped")
FIELD_TYPES: Mapping[str, Any] = {
    "run": str,
    "case": dict,
    "status": str,
    "reason": str | None,
    "probe": str,
    "environment": str | None,
    "started": str,
    "wall_s": int | float,
    "metrics": dict,
    "samples": dict,
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of one case. Times are in seconds, sizes in bytes.

    JSON has no NaN and no infinity: such a number is written as null. A null is read back as NaN
    in a sample, and as None (unknown) in a metric.
    """

    run: str
    case: Mapping[str, Any]
    status: str
    reason: str | None
    probe: str
    environment: str | None
    started: str
    wall_s: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def key(self) -> str:
        """The identity of the case, see `bench.plan.case.case_key`."""
        return json.dumps(self.case, sort_keys=True)

    def to_json(self) -> str:
        """The record as one line without a line break."""
        return json.dumps(without_nonfinite(asdict(self)), allow_nan=False)


def latest_records(records: Iterable[Record]) -> list[Record]:
    """The last record of each case of each run, in the order in which the cases came first."""
    return list({(record.run, record.key): record for record in records}.values())


def parse_record(line: str) -> Record:
    """The record in a line; raises ValueError, which says what is wrong with the line."""
    data = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    if data.get("schema") != SCHEMA:
        raise ValueError(f"schema {data.get('schema')!r}; this version reads schema {SCHEMA}")
    try:
        record = Record(**data)
    except TypeError as error:
        raise ValueError(str(error).replace("Record.__init__()", "a record")) from None
    check_record(record)
    samples = {
        name: [math.nan if value is None else value for value in values]
        for name, values in record.samples.items()
    }
    return Record(**{**data, "samples": samples})


def check_record(record: Record) -> None:
    """Raise ValueError if a field of the record has a wrong value or type."""
    for name, types in FIELD_TYPES.items():
        if not isinstance(value := getattr(record, name), types):
            raise ValueError(f"{name} is {value!r:.60}")
    if record.status not in STATUSES:
        raise ValueError(f"status {record.status!r}; known: {', '.join(STATUSES)}")
    if record.case.get("probe") != record.probe:
        raise ValueError(f"probe {record.probe!r} in a case of {record.case.get('probe')!r}")
    if wrong := [value for value in record.metrics.values() if not _is_number(value)]:
        raise ValueError(f"a metric is {wrong[0]!r:.60}")
    for samples in record.samples.values():
        if not isinstance(samples, list) or not all(map(_is_number, samples)):
            raise ValueError(f"samples are {samples!r:.60}")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def without_nonfinite(value: Any) -> Any:
    """The value with None in place of every number that is not finite, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(item) for item in value]
    return value
