"""The options of the command line: one table, from which the parser and the checks follow.

An option is one field of a dataclass of options, with its kind, choices, default and help. Adding
one takes its entry here and the line that uses it.
"""

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from enum import Enum
from math import inf, isfinite
from typing import Any, ClassVar, Protocol, TypeVar

from bench.plan.probes import DEFAULT_PROBES, PHASES, PROBES, PROFILES
from bench.records import machine
from bench.spec import CELLS, DTYPES, GRU_VARIANTS, OPTIMISERS, Unavailable
from bench.weights import SCHEMES

ALL_BACKENDS = "all"
"""In place of a backend's name: every backend that is found."""


class Kind(Enum):
    """What the value of an option is; the plural ones take a list, by spaces or by commas."""

    WORD = "word"
    WORDS = "words"
    WHOLE = "whole number"
    WHOLES = "whole numbers"
    NUMBER = "number"
    FLAG = "flag"

    @property
    def is_list(self) -> bool:
        return self in (Kind.WORDS, Kind.WHOLES)

    @property
    def type(self) -> type:
        """The type of one value."""
        types: Mapping[Kind, type] = {Kind.WHOLE: int, Kind.WHOLES: int, Kind.NUMBER: float}
        return types.get(self, str)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option. `word` is what one of its values is called in a message; `choices` are all
    values that it takes; `least` and `most` bound a whole number, `above` a number."""

    kind: Kind
    help: str
    group: str
    metavar: str | None
    word: str | None
    choices: Collection[Any]
    least: int | None
    most: Callable[[], int] | None
    above: float | None
    default_text: str | None
    on_command_line: bool


def option(
    kind: Kind,
    help: str = "",  # noqa: A002 - the word that argparse uses
    *,
    default: Any = None,
    default_factory: Callable[[], Any] | None = None,
    default_text: str | None = None,
    group: str = "what to run",
    metavar: str | None = None,
    word: str | None = None,
    choices: Collection[Any] = (),
    least: int | None = None,
    most: Callable[[], int] | None = None,
    above: float | None = None,
    on_command_line: bool = True,
) -> Any:
    """A dataclass field that is an option; see `Option`. `default_text` is what the help says in
    place of the default."""
    entry = Option(
        kind=kind,
        help=help,
        group=group,
        metavar=metavar,
        word=word,
        choices=choices,
        least=least,
        most=most,
        above=above,
        default_text=default_text,
        on_command_line=on_command_line,
    )
    if default_factory is not None:
        return field(default_factory=default_factory, metadata={"option": entry})
    return field(default=default, metadata={"option": entry})


def processor_count() -> int:
    """How many processors this process may use."""
    return len(machine.cpus())


MODEL, EXECUTION = "the model", "how to run it"
STANDARD = PROFILES["standard"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run, every option with its value. `bench.plan.selection` finds the tasks, backends
    and devices that the words name."""

    tasks: Sequence[str] = option(
        Kind.WORDS, "such as adding or adding:length=200", default=("adding",), word="task"
    )
    backends: Sequence[str] = option(
        Kind.WORDS,
        "names, ./file.py or all",
        default=(),
        default_text="one a framework",
        word="backend",
    )
    cells: Sequence[str] = option(
        Kind.WORDS, choices=tuple(CELLS), default=("rnn", "lstm", "gru"), word="cell"
    )
    devices: Sequence[str] = option(
        Kind.WORDS, "cpu, cuda, cuda:1, …, auto", default=("cpu",), word="device"
    )
    dtypes: Sequence[str] = option(Kind.WORDS, choices=DTYPES, default=("float32",), word="dtype")
    probes: Sequence[str] = option(
        Kind.WORDS,
        choices=PROBES,
        default=DEFAULT_PROBES,
        default_text="all but lengths",
        word="probe",
    )
    seeds: Sequence[int] = option(
        Kind.WHOLES,
        "random seeds, whole numbers",
        default=STANDARD.seeds,
        default_text="by profile",
        least=0,
    )
    data: str | None = option(Kind.WORD, "your own series, a CSV file, to forecast", metavar="FILE")
    column: str | None = option(Kind.WORD, "the column of that file to forecast", metavar="NAME")
    digest: str | None = option(Kind.WORD, on_command_line=False)
    """The digest of the file `data`, so that a resumed run does not go on with another file."""
    profile: str = option(Kind.WORD, "sizes", choices=tuple(PROFILES), default="standard")
    launches: int = option(
        Kind.WHOLE,
        "fresh processes for speed",
        default=STANDARD.launches,
        default_text="by profile",
        least=1,
    )
    phases: Sequence[str] = option(
        Kind.WORDS, "timed phases", choices=PHASES, default=PHASES, word="phase"
    )
    phase_s: float = option(Kind.NUMBER, default=STANDARD.phase_s, above=0, on_command_line=False)
    layers: Sequence[int] = option(
        Kind.WHOLES, "stacked layers", default=(1,), least=1, group=MODEL
    )
    directions: Sequence[int] = option(
        Kind.WHOLES,
        "1, or 2 for bidirectional layers",
        default=(1,),
        choices=(1, 2),
        group=MODEL,
    )
    gru: Sequence[str] = option(
        Kind.WORDS,
        choices=GRU_VARIANTS,
        default=("reset_after",),
        word="gru variant",
        group=MODEL,
    )
    init: str = option(
        Kind.WORD,
        "initial weights",
        choices=SCHEMES,
        default="orthogonal",
        word="initialisation",
        group=MODEL,
    )
    forget_bias: float | None = option(
        Kind.NUMBER,
        "bias of the lstm's forget gate",
        default_text="the scheme's own",
        metavar="B",
        group=MODEL,
    )
    optimiser: str = option(
        Kind.WORD, choices=OPTIMISERS, default="adam", word="optimiser", group=MODEL
    )
    threads: int = option(
        Kind.WHOLE,
        "processors for the speed probe",
        default_factory=processor_count,
        default_text="all",
        least=1,
        most=processor_count,
        group=EXECUTION,
    )


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What worker processes may take, and how many run side by side where no clock runs."""

    jobs: int | None = option(
        Kind.WHOLE, "workers side by side where no clock runs", least=1, group=EXECUTION
    )
    time_limit: float | None = option(
        Kind.NUMBER, "seconds a case may take", above=0, metavar="S", group=EXECUTION
    )
    memory_limit: float | None = option(
        Kind.NUMBER, "memory a worker may take", above=0, metavar="GIB", group=EXECUTION
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run is kept, and how much of it is made."""

    run_id: str | None = option(
        Kind.WORD, "name of the run", default_text="the time", metavar="ID", group=EXECUTION
    )
    resume: str | None = option(
        Kind.WORD,
        "go on with a run: what is recorded is kept",
        metavar="ID",
        group=EXECUTION,
    )
    dry_run: bool = option(
        Kind.FLAG, "show the cases and the time, run none", default=False, group=EXECUTION
    )
    budget: str | None = option(
        Kind.WORD,
        "such as 10m: spend what is left of it on launches where the intervals are widest",
        metavar="TIME",
        group=EXECUTION,
    )


class Options(Protocol):
    """A dataclass whose fields were made by `option`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


AnyOptions = TypeVar("AnyOptions", bound=Options)


def table(options: type[Options]) -> dict[str, Option]:
    """The entries of a dataclass of options, by name."""
    return {f.name: f.metadata["option"] for f in fields(options)}


# ---- the parser ------------------------------------------------------------------------------


def add_options(
    parser: argparse.ArgumentParser,
    options: type[Options],
    *,
    omit: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
) -> None:
    """Add the options to a parser, but for those in `omit`. Values stay open (None) where the
    user says nothing. `defaults` says what the help calls the default of an option."""
    groups = {group.title: group for group in parser._action_groups}
    for f in fields(options):
        entry: Option = f.metadata["option"]
        if f.name in omit or not entry.on_command_line:
            continue
        if entry.group not in groups:
            groups[entry.group] = parser.add_argument_group(entry.group)
        text = (defaults or {}).get(f.name) or _default_text(f)
        groups[entry.group].add_argument(flag_of(f.name), **_argument(entry, text))


def _argument(entry: Option, default: str) -> dict[str, Any]:
    """The keyword arguments of `add_argument`."""
    choices = ", ".join(map(str, entry.choices)) if entry.kind.type is str else ""
    parts = [part for part in (entry.help, choices) if part]
    text = ": ".join(parts) + (f" (default: {default})" if default else "")
    if entry.kind is Kind.FLAG:
        return {"action": "store_true", "default": None, "help": text}
    metavar = entry.metavar or ("NAME" if entry.kind.type is str else "N")
    if entry.kind.is_list:
        return {"nargs": "+", "metavar": metavar, "help": text}
    return {"type": entry.kind.type, "metavar": metavar, "help": text}


def _default_text(f: "Field[Any]") -> str:
    entry: Option = f.metadata["option"]
    if entry.default_text is not None or f.default in (None, MISSING, False):
        return entry.default_text or ""
    values = f.default if entry.kind.is_list else (f.default,)
    return " ".join(map(str, values))


def explicit(arguments: argparse.Namespace, options: type[Options]) -> dict[str, Any]:
    """What the user said, by option: lists split at commas, numbers converted. `Unavailable`
    where a value is not of its kind."""
    values = {}
    for name, entry in table(options).items():
        value = getattr(arguments, name, None)
        if value is not None:
            values[name] = _split(name, entry, value) if entry.kind.is_list else value
    return values


def _split(name: str, entry: Option, words: Sequence[str]) -> list[Any]:
    """`a b` and `a,b` alike."""
    items = [item for word in words for item in word.split(",") if item]
    if not items:
        raise Unavailable(f"{flag_of(name)} is empty")
    try:
        return [entry.kind.type(item) for item in items]
    except ValueError:
        raise Unavailable(
            f"{flag_of(name)} must be whole numbers, not {' '.join(items)!r}"
        ) from None


def flag_of(name: str) -> str:
    """How an option is written on the command line."""
    return "--" + name.replace("_", "-")


# ---- checks ----------------------------------------------------------------------------------


def checked(options: type[AnyOptions], values: Mapping[str, Any]) -> AnyOptions:
    """The options with these values, and the defaults of all others; lists hold each value once.
    `Unavailable` names a value that an option does not take, and what it takes."""
    entries = table(options)
    return options(**{name: _checked(name, entries[name], v) for name, v in values.items()})


def _checked(name: str, entry: Option, value: Any) -> Any:
    values = list(dict.fromkeys(value)) if entry.kind.is_list else [value]
    shown = flag_of(name) if entry.on_command_line else name
    if entry.kind in (Kind.WHOLE, Kind.WHOLES):
        _check_whole(shown, entry, values)
    elif entry.kind is Kind.NUMBER:
        _check_number(shown, entry, value)
    elif entry.choices:
        check_words(entry.word or name, values, entry.choices)
    return values if entry.kind.is_list else value


def _check_whole(name: str, entry: Option, values: Sequence[int]) -> None:
    for value in values:
        if entry.choices and value not in entry.choices:
            choices = " or ".join(map(str, entry.choices))
            raise Unavailable(f"{name} must be {choices}, not {value}")
        most = entry.most() if entry.most else inf
        if entry.least is not None and not entry.least <= value <= most:
            bounds = f"from {entry.least} up" if most == inf else f"from {entry.least} to {most}"
            raise Unavailable(f"{name} must be a whole number {bounds}, not {value}")


def _check_number(name: str, entry: Option, value: float) -> None:
    positive = entry.above == 0
    if not isfinite(value) or (entry.above is not None and not value > entry.above):
        bound = "" if positive or entry.above is None else f" above {entry.above:g}"
        noun = "positive number" if positive else "number"
        raise Unavailable(f"{name} must be a {noun}{bound}, not {value:g}")


def check_words(word: str, values: Sequence[str], choices: Collection[str]) -> list[str]:
    """The values, each once. `Unavailable` names a wrong one, the choices that are spelled
    like it, and all choices; `word` is what one value is called."""
    for value in values:
        if value not in choices:
            near = get_close_matches(value, choices, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else "."
            raise Unavailable(f"unknown {word} {value!r}{hint} Known: {', '.join(choices)}")
    return list(dict.fromkeys(values))


def is_of_kind(options: type[Options], name: str, value: Any) -> bool:
    """Whether an option exists and can hold this value as it was read from a file."""
    entry = table(options).get(name)
    if entry is None:
        return False
    types = (int, float) if entry.kind is Kind.NUMBER else (entry.kind.type,)
    items = value if entry.kind.is_list else [value]
    return isinstance(items, list) and bool(items) and all(type(item) in types for item in items)
