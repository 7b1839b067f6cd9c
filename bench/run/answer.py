"""The answer of a worker to a case: its fields, and what makes it invalid."""

import json
from time import time
from typing import Any

from msgspec import Struct

from bench.records.faults import check, check_texts
from bench.records.kinds import Duration, Moment, Number, Status, Text
from bench.records.schema import Environment

MOST_LEVELS = 20
"""Levels of objects within an environment."""


class Answer(Struct, kw_only=True):
    """The fields of an answer: those of the record that the worker knows."""

    status: Status
    reason: Text | None
    metrics: dict[str, Number | None]
    samples: dict[str, list[Number | None]]
    environment: Environment
    started: Moment
    wall_s: Duration
    traceback: Text | None


def answer_without_numbers(status: str, reason: str) -> dict[str, Any]:
    """An answer without measurements, for a case without an answer from its worker."""
    return {
        "status": status,
        "reason": reason,
        "metrics": {},
        "samples": {},
        "environment": {},
        "traceback": None,
        "started": time(),
        "wall_s": 0.0,
    }


def parse_answer(line: bytes) -> dict[str, Any]:
    """The answer in a line, with None for each number that is not finite; raises ValueError, which
    says what is wrong with it."""
    try:
        # Python's JSON has words for numbers that are not finite.
        answer = json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        answer = {"traceback": None, **answer}  # an older worker of a comparison sends none
    if not isinstance(answer, dict) or answer.keys() != set(Answer.__struct_fields__):
        raise ValueError(f"no result, but {line!r:.200}")
    try:
        check(answer, Answer, "")
        _check_levels(answer["environment"], MOST_LEVELS)
        check_texts({**answer, "samples": dict.fromkeys(answer["samples"])}, "")
    except ValueError as error:
        raise ValueError(f"no valid result: {error}") from None
    return answer


def _check_levels(value: Any, levels: int) -> None:
    if levels == 0:
        raise ValueError(f"environment has more levels of objects; accepted: {MOST_LEVELS}")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_levels(item, levels - 1)
