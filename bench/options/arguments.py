"""Options as arguments of a command: the parser, its help, and the values that the user gave."""

import argparse
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from bench.options.table import Kind, Option, Options, flag_of, option_table
from bench.spec import Unavailable


def add_options(
    parser: argparse.ArgumentParser,
    *tables: type[Options],
    omit: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
) -> None:
    """Add the options of these dataclasses to a parser, under the headings of their groups.

    Options named in `omit` are left out. An option that the user does not give is parsed as None.
    `defaults` says how the help describes a default, by option, where a command has its own.
    """
    declared = [field for options in tables for field in fields(options)]
    entries: dict[str, Option] = {field.name: field.metadata["option"] for field in declared}
    groups: dict[str, Any] = {}
    for field in declared:
        entry = entries[field.name]
        if field.name in omit or not entry.on_command_line:
            continue
        if entry.group not in groups:
            groups[entry.group] = parser.add_argument_group(entry.group)
        default = (defaults or {}).get(field.name) or _default_text(field, entry)
        groups[entry.group].add_argument(flag_of(field.name), **_argument(entry, default))


def _argument(entry: Option, default: str) -> dict[str, Any]:
    """The keyword arguments of `add_argument`; `default` is how the help describes the default."""
    choices = ", ".join(map(str, entry.choices)) if entry.value_kind.type is str else ""
    text = ": ".join(filter(None, (entry.help, choices)))
    text += f" (default: {default})" if default else ""
    text = text.replace("%", "%%")  # argparse fills in what follows a percent sign
    if entry.value_kind is Kind.FLAG:
        return {"action": "store_true", "default": None, "help": text}
    metavar = entry.metavar or ("NAME" if entry.value_kind.type is str else "N")
    if entry.value_kind is Kind.REPEATED:
        return {"action": "append", "metavar": metavar, "help": text}
    if entry.value_kind.is_list:
        return {"nargs": "+", "metavar": metavar, "help": text}
    return {"type": entry.value_kind.type, "metavar": metavar, "help": text}


def _default_text(field: "Field[Any]", entry: Option) -> str:
    """How the help describes the default; empty where there is nothing to say."""
    if entry.default_text is not None or field.default in (None, MISSING, False):
        return entry.default_text or ""
    values = field.default if entry.value_kind.is_list else (field.default,)
    return " ".join(map(str, values))


def explicit(arguments: argparse.Namespace, options: type[Options]) -> dict[str, Any]:
    """The values that the user gave, by option: lists split at commas, numbers converted.

    Raises `Unavailable` where a value is empty or of another kind.
    """
    values = {}
    for name, entry in option_table(options).items():
        value = getattr(arguments, name, None)
        if value is not None:
            if "" in (value if isinstance(value, list) else [value]):
                raise Unavailable(f"{flag_of(name)} is empty")
            splits = entry.value_kind.is_list and entry.value_kind is not Kind.REPEATED
            values[name] = _split(name, entry, value) if splits else value
    return values


def _split(name: str, entry: Option, words: Sequence[str]) -> list[Any]:
    """The values of a list, whether they are separated by spaces or by commas."""
    for file in (word.partition(".py")[0] + ".py" for word in words if "," in word):
        if os.path.isfile(os.path.expanduser(file)):
            raise Unavailable(
                f"{flag_of(name)}: the name of the file {file} has a comma, which separates the "
                "items of a list: rename the file or its folder"
            )
    items = [item for word in words for item in word.split(",") if item]
    if not items:
        raise Unavailable(f"{flag_of(name)} is empty")
    try:
        return [entry.value_kind.type(item) for item in items]
    except ValueError:
        raise Unavailable(
            f"{flag_of(name)} must be whole numbers, not {' '.join(items)!r}"
        ) from None
