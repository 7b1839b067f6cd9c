"""The table of options: what to run, how to run it, and where the records are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.options.table import Kind, option
from bench.plan.probes import DEFAULT_PHASES, DEFAULT_PROBES, PHASES, PROBES, PROFILES
from bench.records import machine
from bench.spec import CELLS, DTYPES, GRU_VARIANTS, OPTIMISERS
from bench.weights import SCHEMES

ALL_BACKENDS = "all"
"""In place of a backend's name: every backend that is discovered."""
SERIES, MODEL, EXECUTION = "a series of your own", "the model", "how to run it"
"""Headings of groups of options in the help."""
STANDARD = PROFILES["standard"]


def processor_count() -> int:
    """How many processors this process may use, whatever its container's quota."""
    return len(machine.cpus())


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run: every option with its value.

    Tasks, backends and devices are names; `bench.plan.selection` resolves them.
    """

    tasks: Sequence[str] = option(
        Kind.WORDS,
        "names, name:size, name:option=value or ./file.py",
        default=(),
        default_text="by command",
        noun="task",
    )
    backends: Sequence[str] = option(
        Kind.WORDS,
        "names, ./file.py or all",
        default=(),
        default_text="one a framework",
        noun="backend",
    )
    cells: Sequence[str] = option(
        Kind.WORDS, choices=tuple(CELLS), default=("rnn", "lstm", "gru"), noun="cell"
    )
    devices: Sequence[str] = option(
        Kind.WORDS, "cpu, cuda, cuda:1, …, auto", default=("cpu",), noun="device"
    )
    dtypes: Sequence[str] = option(Kind.WORDS, choices=DTYPES, default=("float32",), noun="dtype")
    probes: Sequence[str] = option(
        Kind.WORDS,
        choices=PROBES,
        default=DEFAULT_PROBES,
        default_text="all but lengths",
        noun="probe",
    )
    seeds: Sequence[int] = option(
        Kind.WHOLES,
        "random seeds, whole numbers",
        default=STANDARD.seeds,
        default_text="by profile",
        least=0,
    )
    data: str | None = option(
        Kind.WORD, "a CSV file with your own series to forecast", metavar="FILE", group=SERIES
    )
    column: str | None = option(
        Kind.WORD,
        "the column to forecast",
        default_text="list the columns",
        metavar="NAME",
        group=SERIES,
    )
    time: Sequence[str] | None = option(
        Kind.REPEATED,
        "the column of times; repeat it where date and hour are apart",
        default_text="take the rows in order",
        group=SERIES,
    )
    time_format: str | None = option(
        Kind.WORD, "how times are written, such as %d/%m/%Y", metavar="F", group=SERIES
    )
    where: Sequence[str] | None = option(
        Kind.REPEATED,
        "only rows with this value in this column; repeat it for more conditions",
        metavar="NAME=VALUE",
        group=SERIES,
    )
    separator: str | None = option(
        Kind.WORD, r"what separates cells; \t for tabs", default_text=",", metavar="C", group=SERIES
    )
    decimal: str | None = option(
        Kind.WORD, "the decimal mark", default_text=".", metavar="C", group=SERIES
    )
    missing: Sequence[str] | None = option(
        Kind.REPEATED,
        "a text or number that stands for a missing value, such as -9.99",
        metavar="TEXT",
        group=SERIES,
    )
    fill: str | None = option(
        Kind.WORD,
        "fill missing values and gaps: forward or linear",
        default_text="refuse them",
        metavar="METHOD",
        group=SERIES,
    )
    digest: str | None = option(Kind.WORD, on_command_line=False)
    """The digest of the file `data`: a run is not resumed when the file has changed."""
    profile: str = option(
        Kind.WORD, "how much to measure", choices=tuple(PROFILES), default="standard"
    )
    launches: int = option(
        Kind.WHOLE,
        "fresh processes for the speed probe",
        default=STANDARD.launches,
        default_text="by profile",
        least=1,
    )
    phases: Sequence[str] = option(
        Kind.WORDS,
        "phases that the speed probe times; a step is one training update",
        choices=PHASES,
        default=DEFAULT_PHASES,
        noun="phase",
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
        noun="gru variant",
        group=MODEL,
    )
    init: str = option(
        Kind.WORD,
        "initial weights",
        choices=SCHEMES,
        default="orthogonal",
        noun="initialisation",
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
        Kind.WORD, choices=OPTIMISERS, default="adam", noun="optimiser", group=MODEL
    )
    threads: int = option(
        Kind.WHOLE,
        "processors for the speed probe",
        default_factory=machine.processor_count,
        default_text="all",
        least=1,
        most=processor_count,
        group=EXECUTION,
    )


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How many worker processes run side by side, and the time and memory that a case may take."""

    jobs: int | None = option(
        Kind.WHOLE, "worker processes side by side while nothing is timed", least=1, group=EXECUTION
    )
    time_limit: float | None = option(
        Kind.NUMBER, "seconds a case may take", above=0, metavar="S", group=EXECUTION
    )
    memory_limit: float | None = option(
        Kind.NUMBER, "memory a worker may take", above=0, metavar="GIB", group=EXECUTION
    )


@dataclass(frozen=True, kw_only=True)
class InvocationOptions:
    """What a run and a comparison have in common: a name, and a time to keep to."""

    run_id: str | None = option(
        Kind.WORD, "name of its folder", default_text="the time", metavar="ID", group=EXECUTION
    )
    budget: str | None = option(
        Kind.WORD,
        "time such as 10m: a run spends what is left of it on more launches where intervals are "
        "widest; after it a comparison begins a round only to confirm a regression",
        metavar="TIME",
        group=EXECUTION,
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(InvocationOptions):
    """The name of a run, and how much of it is carried out."""

    resume: str | None = option(
        Kind.WORD,
        "continue this run; recorded cases are kept",
        metavar="ID",
        group=EXECUTION,
    )
    again: bool = option(
        Kind.FLAG,
        "run failed and skipped cases of the resumed run once more",
        default=False,
        group=EXECUTION,
    )
    dry_run: bool = option(
        Kind.FLAG,
        "show the cases and the expected time, run nothing",
        default=False,
        group=EXECUTION,
    )
