"""Checks of option values against the table: their kind, their choices and their bounds."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, TypeVar

from bench.options.table import Kind, Option, Options, flag_of, option_table
from bench.records.faults import shown
from bench.records.kinds import MOST
from bench.spec import Unavailable

AnyOptions = TypeVar("AnyOptions", bound=Options)


def checked(options: type[AnyOptions], values: Mapping[str, Any]) -> AnyOptions:
    """The options with these values and with the defaults of all others; lists without repeats.

    Raises `Unavailable`, which names the value that an option does not accept, and what it accepts.
    """
    entries = option_table(options)
    return options(**{name: _checked(name, entries[name], v) for name, v in values.items()})


def _checked(name: str, entry: Option, value: Any) -> Any:
    values = list(dict.fromkeys(value)) if entry.value_kind.is_list else [value]
    label = flag_of(name) if entry.on_command_line else name
    if entry.value_kind in (Kind.WHOLE, Kind.WHOLES):
        _check_whole(label, entry, values)
    elif entry.value_kind is Kind.NUMBER:
        _check_number(label, entry, value)
    elif entry.choices:
        values = check_words(entry.noun or name, values, entry.choices)
    return values if entry.value_kind.is_list else values[0]


def _check_whole(label: str, entry: Option, values: Sequence[int]) -> None:
    most = entry.most() if entry.most else MOST
    for value in values:
        if entry.choices and value not in entry.choices:
            choices = " or ".join(map(str, entry.choices))
            raise Unavailable(f"{label} must be {choices}, not {shown(value)}")
        if entry.least is not None and not entry.least <= value <= most:
            upper = f"to {most}" if entry.most or value > most else "up"
            accepted = f"a whole number from {entry.least} {upper}"
            raise Unavailable(f"{label} must be {accepted}, not {shown(value)}")


def _check_number(label: str, entry: Option, value: float) -> None:
    if isfinite(value) and (entry.above is None or value > entry.above):
        return
    if entry.above is None:
        accepted = "a number"
    else:
        accepted = "a positive number" if entry.above == 0 else f"a number above {entry.above:g}"
    raise Unavailable(f"{label} must be {accepted}, not {value:g}")


def check_words(noun: str, values: Sequence[str], choices: Collection[str]) -> list[str]:
    """The values as the choices spell them, without repeats; capital letters do not count.

    `noun` is what an error message calls one value.
    Raises `Unavailable`, which names a wrong value, the choices with a similar spelling, and all
    choices.
    """
    words = [same_word(value, choices) for value in values]
    for value in words:
        if value not in choices:
            similar = get_close_matches(value, choices, cutoff=0.5)
            hint = f"; did you mean {' or '.join(similar)}?" if similar else "."
            raise Unavailable(f"unknown {noun} {value!r}{hint} Known: {', '.join(choices)}")
    return list(dict.fromkeys(words))


def same_word(word: str, choices: Collection[str]) -> str:
    """The choice that a word is but for capital letters; the word itself where there is none."""
    if word in choices:
        return word
    return next((choice for choice in choices if choice.lower() == word.lower()), word)


def is_of_kind(options: type[Options], name: str, value: Any) -> bool:
    """Whether an option of this name exists and can have this value, which was read from a file."""
    entry = option_table(options).get(name)
    if entry is None:
        return False
    types = (int, float) if entry.value_kind is Kind.NUMBER else (entry.value_kind.type,)
    values = value if entry.value_kind.is_list else [value]
    return isinstance(values, list) and bool(values) and all(type(v) in types for v in values)
