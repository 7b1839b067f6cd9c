"""The record of one case, and its text form."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.records.checksum import canonical, with_checksum

SCHEMA = 1
FORECAST_PREFIX = "forecast."
"""The beginning of the names of samples that hold forecasts and what came."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of one case. Times are in seconds, sizes in bytes.

    JSON has no NaN and no infinity: such a number is written as null. A null is read back as NaN
    in a sample, and as None (unknown) in a metric. `bench.records.schema` has what is accepted.
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
    traceback: str | None = None
    """Where the error of a failed case was raised; None in older records."""
    schema: int = SCHEMA

    @property
    def key(self) -> str:
        """The identity of the case, see `bench.plan.case.case_key`."""
        return settings_key(self.case)

    def to_json(self) -> str:
        """The record as one line without a line break, with its checksum."""
        return with_checksum(canonical(without_nonfinite(vars(self))))


def settings_key(settings: Mapping[str, Any]) -> str:
    """The identity of flat settings: JSON with sorted names. Equal numbers are written alike: a
    program that lays a record out anew may write 1.0 as 1."""
    return json.dumps({k: _plain(v) for k, v in settings.items()}, sort_keys=True)


def _plain(value: Any) -> Any:
    whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole else value


def latest_records(records: Iterable[Record]) -> list[Record]:
    """The last record of each case of each run, in the order in which the cases came first."""
    return list({(record.run, record.key): record for record in records}.values())


def without_nonfinite(value: Any) -> Any:
    """The value with None in place of every number that is not finite, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(item) for item in value]
    return value
