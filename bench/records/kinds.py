"""Kinds of values in records and `run.json`: what each accepts, and in which words."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 60
"""Characters of a wrong value that a message shows."""
STATUSES = ("ok", "failed", "skipped")


@dataclass(frozen=True)
class Kind:
    """A kind of values: whether it accepts one, and what it accepts, in words."""

    accepts: Callable[[Any], bool]
    words: str

    def or_null(self) -> "Kind":
        """The kind that accepts null as well."""
        return Kind(lambda value: value is None or self.accepts(value), f"{self.words} or null")


def is_number(value: Any) -> bool:
    """Whether a value is a number, and a float can hold it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _is_whole(value: Any, least: int) -> bool:
    return type(value) is int and least <= value < 2**63


def _is_text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


TEXT = Kind(lambda value: isinstance(value, str), "a text")
FLAG = Kind(lambda value: isinstance(value, bool), "true or false")
OBJECT = Kind(lambda value: isinstance(value, dict), "an object")
LIST = Kind(lambda value: isinstance(value, list), "a list")
STATUS = Kind(lambda value: isinstance(value, str) and value in STATUSES, ", ".join(STATUSES))
NUMBER = Kind(is_number, "a finite number").or_null()
DURATION = Kind(lambda value: is_number(value) and value >= 0, "a finite number of at least 0")
SAMPLED_TIME = Kind(lambda v: is_number(v) and v > 0, "a finite number above 0").or_null()
WHOLE = Kind(lambda value: _is_whole(value, 0), "a whole number of at least 0")
COUNT = Kind(lambda value: _is_whole(value, 1), "a whole number of at least 1")
SETTING = Kind(
    lambda v: isinstance(v, str | bool) or is_number(v), "a text, a finite number, true, false"
).or_null()
TEXTS = Kind(lambda v: isinstance(v, list) and all(map(TEXT.accepts, v)), "a list of texts")
TEXTS_BY_NAME = Kind(
    lambda v: isinstance(v, dict) and all(map(_is_text_or_null, v.values())), "an object of texts"
).or_null()
DURATIONS = Kind(
    lambda v: isinstance(v, list) and all(map(DURATION.accepts, v)),
    "a list of finite numbers of at least 0",
)


def check(name: str, value: Any, kind: Kind) -> None:
    """Raise ValueError if a value is not of its kind, or if its name or the value is a text that
    UTF-8 cannot write."""
    if not kind.accepts(value):
        raise ValueError(f"{name} is {_shown(value)}; accepted: {kind.words}")
    text = f"{name} {value}" if isinstance(value, str) else name
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name!a} is {value!a:.60}; accepted: text in UTF-8") from None


def check_present(prefix: str, values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Check those fields that are present."""
    for name, kind in kinds.items():
        if name in values:
            check(prefix + name, values[name], kind)


def _shown(value: Any) -> str:
    """The value as a message shows it; Python refuses to print very long whole numbers."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return f"a whole number of more than {LONGEST} digits"
    return f"{value!a:.{LONGEST}}"
