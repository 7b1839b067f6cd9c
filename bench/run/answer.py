"""The answer of a worker to a case: its fields, and what makes it invalid."""

import json
from collections.abc import Mapping
from time import time
from typing import Any

from bench.records.info_check import check_environment
from bench.records.kinds import DURATION, OBJECT, STATUS, TEXT, Kind, check, is_number

MOST_LEVELS = 20
"""Levels of objects within an environment."""
MOMENT = Kind(
    lambda value: is_number(value) and 0 <= value < 2**33, "seconds since 1970, as a finite number"
)
ANSWER_FIELDS: Mapping[str, Kind] = {
    "status": STATUS,
    "reason": TEXT.or_null(),
    "metrics": OBJECT,
    "samples": OBJECT,
    "environment": OBJECT,
    "started": MOMENT,
    "wall_s": DURATION,
    "traceback": TEXT.or_null(),
}
"""The fields of an answer: those of the record that the worker knows."""


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
    """The answer in a line; raises ValueError, which says what is wrong with it."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        answer = {"traceback": None, **answer}  # an older worker of a comparison sends none
    if not isinstance(answer, dict) or answer.keys() != ANSWER_FIELDS.keys():
        raise ValueError(f"no result, but {line!r:.200}")
    try:
        for name, kind in ANSWER_FIELDS.items():
            check(name, answer[name], kind)
        _check_levels(answer["environment"], MOST_LEVELS)
        check_environment("environment", answer["environment"])
    except ValueError as error:
        raise ValueError(f"no valid result: {error}") from None
    return answer


def _check_levels(value: Any, levels: int) -> None:
    if levels == 0:
        raise ValueError(f"environment has more levels of objects; accepted: {MOST_LEVELS}")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_levels(item, levels - 1)
