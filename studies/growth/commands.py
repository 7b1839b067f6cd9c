"""The commands whose time and memory are measured, each at several counts."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHEAP_TASK = "adding:smoke:length=2:batch=1:hidden=1:steps=1:held_out=2"
"""One update of a network with one unit."""
CHEAP_RUN = "cheap"
"""The name of the run that measures cheap cases."""
SMALL = ("--tasks", "adding:smoke", "--backends", "numpy", "--cells", "rnn")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, what it is called in the table, and the counts at which it is measured.

    `arguments` makes its arguments from the folder of a run with so many records, an empty folder,
    and the count.
    """

    about: str
    counts: Sequence[int]
    arguments: Callable[[Path, Path, int], list[str]]
    reads_records: bool = False


def _report(run: Path, scratch: Path, count: int) -> list[str]:
    formats = ["--format", "markdown", "csv", "latex"]
    return ["report", str(run), *formats, "--output", str(scratch / "report")]


def _start(run: Path, scratch: Path, count: int) -> list[str]:
    return [*SMALL, "--dry-run", "--results-dir", str(run.parent)]


def _plan(run: Path, scratch: Path, count: int) -> list[str]:
    launches = ["--probes", "speed", "--launches", str(count)]
    return [*SMALL, *launches, "--dry-run", "--results-dir", str(scratch)]


def _run(run: Path, scratch: Path, count: int) -> list[str]:
    task = ["--tasks", CHEAP_TASK, "--backends", "numpy", "--cells", "rnn"]
    seeds = ["--probes", "learning", "--seeds", *map(str, range(count))]
    return [*task, *seeds, "--results-dir", str(scratch), "--run-id", CHEAP_RUN]


COMMANDS: Mapping[str, Command] = {
    "report": Command(
        about="`report` without plots, records",
        counts=(1_000, 10_000, 100_000),
        arguments=_report,
        reads_records=True,
    ),
    "start": Command(
        about="start of a run, records beside it",
        counts=(1_000, 10_000, 50_000),
        arguments=_start,
        reads_records=True,
    ),
    "plan": Command(
        about="plan of a run, launches", counts=(1_000, 10_000, 50_000), arguments=_plan
    ),
    "run": Command(about="run of cheap cases, seeds", counts=(100, 1_000), arguments=_run),
}


def seconds_of_work(scratch: Path) -> float | None:
    """The seconds that the cheap cases spent in calls of the backend and of the reference; None
    for other commands."""
    file = scratch / CHEAP_RUN / "records.jsonl"
    if not file.exists():
        return None
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return float(sum(record["metrics"].get("work_s") or 0.0 for record in records))
