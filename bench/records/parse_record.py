"""Reads a record from its line."""

import json
import math
from typing import Any

import msgspec

from bench.records.checksum import check_checksum
from bench.records.faults import first_fault, shown
from bench.records.record import SCHEMA, Record
from bench.records.record_check import check_rules
from bench.records.schema import RecordLine

LONGEST_WHOLE = 4000
"""Digits of a whole number that Python reads as one."""
_DECODER = msgspec.json.Decoder(RecordLine)


def parse_record(line: bytes | str) -> Record:
    """The record in a line; raises ValueError, which says what is wrong with the line."""
    content = line.encode() if isinstance(line, str) else line
    try:
        fields = _DECODER.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(_why_no_record(content, error)) from None
    check_rules(fields)
    if fields.checksum is not None:
        check_checksum(content, fields.checksum)
    return Record(
        run=fields.run,
        case=fields.case,
        status=fields.status,
        reason=fields.reason,
        probe=fields.probe,
        environment=fields.environment,
        started=fields.started,
        wall_s=fields.wall_s,
        metrics=fields.metrics,
        samples={name: _with_nan(values) for name, values in fields.samples.items()},
        traceback=fields.traceback,
        schema=fields.schema,
    )


def _with_nan(values: list[int | float | None]) -> list[float]:
    if None in values:
        return [math.nan if value is None else value for value in values]
    return values  # type: ignore[return-value]


def _why_no_record(content: bytes, error: Exception) -> str:
    """What is wrong with a line that the decoder refused."""
    try:
        data = json.loads(content, parse_int=_read_whole)
    except (ValueError, RecursionError):
        return "not JSON" if isinstance(error, msgspec.ValidationError) else str(error)
    if not isinstance(data, dict):
        return "not a JSON object"
    if (schema := data.get("schema")) != SCHEMA:
        return f"schema {shown(schema)}; this version reads schema {SCHEMA}"
    return first_fault(data, RecordLine, "") or str(error)


def _read_whole(digits: str) -> Any:
    """A whole number; infinity for one that Python refuses to read."""
    return int(digits) if len(digits) <= LONGEST_WHOLE else float(digits)
