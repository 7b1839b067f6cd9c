"""The options of the command line: one table, from which the parsers and the checks follow.

An option is one field of a dataclass, with its kind, choices, default and help. A new option takes
one entry in its dataclass and the line of code that uses its value.
"""

from bench.options.arguments import add_options, explicit
from bench.options.checks import AnyOptions, check_words, checked, is_of_kind, same_word
from bench.options.settings import (
    ALL_BACKENDS,
    EXECUTION,
    MODEL,
    InvocationOptions,
    RunOptions,
    Settings,
    WorkerOptions,
    processor_count,
)
from bench.options.table import Kind, Option, Options, flag_of, option, option_table

__all__ = [
    "ALL_BACKENDS",
    "EXECUTION",
    "MODEL",
    "AnyOptions",
    "InvocationOptions",
    "Kind",
    "Option",
    "Options",
    "RunOptions",
    "Settings",
    "WorkerOptions",
    "add_options",
    "check_words",
    "checked",
    "explicit",
    "flag_of",
    "is_of_kind",
    "option",
    "option_table",
    "processor_count",
    "same_word",
]
