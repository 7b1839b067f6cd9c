"""Launches of one model are pooled, so they must all be of the same code."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.records.record import Record, settings_key
from bench.records.record_check import TIMED


def without_old_launches(
    records: Sequence[Record], environments: Mapping[str, Any]
) -> list[Record]:
    """The records without those launches that other code made than the last launch of their model.

    `environments` holds the environments of the run, by name.
    """
    last: dict[str, Record] = {}
    several = False
    for record in filter(_is_launch, records):
        group = _group(record)
        several |= last.get(group, record).environment != record.environment
        last[group] = record
    if not several:
        return list(records)

    def code(record: Record) -> Any:
        return environments.get(record.environment or "", {}).get("code")

    return [r for r in records if not _is_launch(r) or code(r) == code(last[_group(r)])]


def _is_launch(record: Record) -> bool:
    return record.probe in TIMED and record.environment is not None


def _group(record: Record) -> str:
    """What the launches of one model in one process have in common."""
    settings = record.case.items()
    return settings_key({k: v for k, v in settings if k not in ("launch", "seed")})
