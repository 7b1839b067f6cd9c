"""How an option is declared: a dataclass field with its kind, choices, default and help."""

from collections.abc import Callable, Collection
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Protocol


class Kind(Enum):
    """What the value of an option is; a plural kind takes a list, by spaces or by commas, a
    repeated kind a list of one value for each time that the option is given."""

    WORD = "word"
    WORDS = "words"
    REPEATED = "repeated word"
    WHOLE = "whole number"
    WHOLES = "whole numbers"
    NUMBER = "number"
    FLAG = "flag"

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return self in (Kind.WORDS, Kind.REPEATED, Kind.WHOLES)

    @property
    def type(self) -> type:
        """The Python type of one value."""
        if self in (Kind.WHOLE, Kind.WHOLES):
            return int
        return float if self is Kind.NUMBER else str


@dataclass(frozen=True)
class Option:
    """One entry of the table."""

    value_kind: Kind
    help: str
    group: str = "what to run"
    """The heading in the help under which the option stands."""
    metavar: str | None = None
    noun: str | None = None
    """What an error message calls one value; the option's name where this is None."""
    choices: Collection[Any] = ()
    """All values that the option accepts; empty where any value of its kind is accepted."""
    least: int | None = None
    """The smallest whole number that is accepted."""
    most: Callable[[], int] | None = None
    """Returns the largest whole number that is accepted."""
    above: float | None = None
    """Numbers must be greater than this."""
    default_text: str | None = None
    """How the help describes the default, where the value itself would not explain it."""
    on_command_line: bool = True


def option(
    value_kind: Kind,
    help: str = "",  # noqa: A002 - argparse has the same name
    *,
    default: Any = None,
    default_factory: Callable[[], Any] | None = None,
    **details: Any,
) -> Any:
    """Declare a dataclass field that is an option; `details` are the other fields of `Option`."""
    metadata = {"option": Option(value_kind, help, **details)}
    if default_factory is not None:
        return field(default_factory=default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


class Options(Protocol):
    """A dataclass whose fields were declared by `option`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def option_table(options: type[Options]) -> dict[str, Option]:
    """The options of a dataclass, by name."""
    return {field.name: field.metadata["option"] for field in fields(options)}


def flag_of(name: str) -> str:
    """How an option is written on the command line: `--time-limit` for `time_limit`."""
    return "--" + name.replace("_", "-")
