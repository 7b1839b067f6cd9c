"""Checks of data against a kind: an error names the field, its value, and what is accepted."""

import json
import math
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from bench.records.inert import inert

LONGEST = 60
"""Characters of a wrong value that a message shows."""
Checked = TypeVar("Checked")


def check(value: Any, kind: type[Checked], place: str) -> Checked:
    """The value, read as this kind; raise ValueError that names the first fault. `place` is what
    the value is called."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise ValueError(first_fault(value, kind, place) or str(error)) from None


def check_texts(value: Any, place: str) -> None:
    """Raise ValueError for the first text at any depth that UTF-8 cannot write."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(first_fault(value, Any, place) or str(error)) from None


def first_fault(value: Any, kind: Any, place: str) -> str | None:
    """What is wrong with a value from JSON that should be of this kind; None if nothing is."""
    shape = _shape(kind)
    if _is_struct(shape) and isinstance(value, dict) and (fault := _wrong_names(value, shape)):
        return f"{place or 'the record'} {fault}"
    for part in _parts(value, shape, place):
        if fault := first_fault(*part):
            return fault
    accepted = None if _is_of_kind(value, kind) else _words(kind)
    if not (_is_utf8(place) and (not isinstance(value, str) or _is_utf8(value))):
        accepted = "text in UTF-8"
    return f"{printable_place(place)} is {shown(value)}; accepted: {accepted}" if accepted else None


def printable_place(place: str) -> str:
    """A place as a message shows it, because names come from files."""
    return f"{inert(place):.{2 * LONGEST}}"


def shown(value: Any) -> str:
    """The value as a message shows it; Python refuses to print very long whole numbers."""
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return f"a whole number of more than {LONGEST} digits"
    return f"{value!a:.{LONGEST}}"


def _wrong_names(value: dict[str, Any], struct: Any) -> str | None:
    """What is wrong with the names of the fields of an object."""
    fields = msgspec.structs.fields(struct)
    if missing := [field.name for field in fields if field.required and field.name not in value]:
        return f"lacks {missing[0]}"
    unknown = sorted(value.keys() - {field.name for field in fields})
    if unknown and struct.__struct_config__.forbid_unknown_fields:
        return f"has the unknown field {unknown[0]!a:.{LONGEST}}"
    return None


def _parts(value: Any, shape: Any, place: str) -> Iterator[tuple[Any, Any, str]]:
    """The values within a value, with their kinds and places."""
    if isinstance(value, dict):
        kinds = {field.name: field.type for field in _fields(shape)}
        every = get_args(shape)[1] if get_origin(shape) is dict else Any
        dot = "." if place else ""
        for name, inner in value.items():
            yield inner, kinds.get(name, every), f"{place}{dot}{name}"
    elif isinstance(value, list):
        every = get_args(shape)[0] if get_origin(shape) is list else Any
        for index, inner in enumerate(value):
            yield inner, every, f"{place}[{index}]"


def _shape(kind: Any) -> Any:
    """The kind without its description and without null."""
    if get_origin(kind) is Annotated:
        return _shape(get_args(kind)[0])
    choices = [choice for choice in _choices(kind) if choice is not NoneType]
    return _shape(choices[0]) if len(choices) == 1 else kind


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else ()


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def _fields(shape: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(shape) if _is_struct(shape) else ()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_of_kind(value: Any, kind: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError):
        return False
    return True


def _words(kind: Any) -> str:
    """What a kind accepts, in words."""
    if NoneType in _choices(kind):
        others = [choice for choice in _choices(kind) if choice is not NoneType]
        return f"{' or '.join(map(_words, others))} or null"
    if get_origin(kind) is Annotated:
        return next(str(meta.description) for meta in get_args(kind)[1:] if meta.description)
    return "a list" if get_origin(kind) is list else "an object"
