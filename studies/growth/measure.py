"""Measures commands of this checkout and of an earlier revision, in turns."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.compare.worktree import worktree
from studies.growth.commands import COMMANDS, Command, seconds_of_work
from studies.growth.processes import measured
from studies.growth.records import write_older_run, write_run
from studies.json_lines import JsonLines

ROOT = Path(__file__).parents[2]
BEFORE, AFTER = "before", "after"
MEASUREMENTS_FILE = "measurements.jsonl"
WRITE = {BEFORE: write_older_run, AFTER: write_run}
"""How the records of each side are written."""


def measure(
    folder: Path,
    names: Sequence[str],
    counts: Sequence[int],
    base: str | None,
    rounds: int,
    limit_s: float,
) -> None:
    """Measure these commands, at their own counts where `counts` is empty, and append a line for
    each process to the file of measurements. `base` is the revision that stands for `before`."""
    lines = JsonLines(folder / MEASUREMENTS_FILE)
    with _checkouts(base) as checkouts:
        for name in names:
            for count in counts or COMMANDS[name].counts:
                for measurement in _measurements(COMMANDS[name], count, checkouts, rounds, limit_s):
                    lines.append({"command": name, "count": count, **measurement})


@contextmanager
def _checkouts(base: str | None) -> Iterator[Mapping[str, Path]]:
    """This checkout and, if one is named, the revision before it."""
    with ExitStack() as stack:
        earlier = {BEFORE: stack.enter_context(worktree(ROOT, base))[0]} if base else {}
        yield {**earlier, AFTER: ROOT}


def _measurements(
    command: Command, count: int, checkouts: Mapping[str, Path], rounds: int, limit_s: float
) -> Iterator[dict[str, Any]]:
    with TemporaryDirectory() as temporary:
        runs = {side: Path(temporary) / side / "large" for side in checkouts}
        if command.reads_records:
            for side, run in runs.items():
                WRITE[side](run.parent, run.name, count)
        for number in range(rounds):
            for side in random.Random(number).sample(list(checkouts), len(checkouts)):
                with TemporaryDirectory() as scratch:
                    folder = Path(scratch)
                    arguments = command.arguments(runs[side], folder / "runs", count)
                    usage = measured(checkouts[side], arguments, folder / "log", limit_s)
                    work_s = seconds_of_work(folder / "runs")
                yield {"side": side, **asdict(usage), "work_s": work_s}
