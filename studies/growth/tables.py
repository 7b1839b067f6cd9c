"""The tables of the measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.report.words import DASH, format_number
from studies.growth.commands import COMMANDS
from studies.growth.measure import AFTER, BEFORE, MEASUREMENTS_FILE
from studies.json_lines import JsonLines
from studies.tables.pipe_table import pipe_table

Measurement = Mapping[str, Any]
Group = tuple[str, int, str]
"""Command, count and side."""
MIB = 2**20
ABOUT = (
    "Medians of fresh processes. The wall clock depends on what else the machine does, the time of "
    f"the processors hardly. {DASH}: the command failed, or exceeded its time limit."
)
ABOUT_CASES = (
    "What the harness adds to a cheap case: the time of the whole run, its start and its report "
    "included, without the calls of the backend and of the reference, over its cases."
)
HEADS = ("command", "count", "version", "wall clock (s)", "processors (s)", "memory (MiB)")
CASE_HEADS = ("seeds", "version", "wall clock (ms)", "processors (ms)")
VERSIONS: Mapping[str, str] = {BEFORE: "before", AFTER: "now"}


def report(folder: Path) -> str:
    """All tables as Markdown, from the measurements in a folder."""
    measurements = JsonLines(folder / MEASUREMENTS_FILE).read()
    groups: dict[Group, list[Measurement]] = {}
    for m in measurements:
        group = groups.setdefault((m["command"], m["count"], m["side"]), [])
        if m["exit_code"] == 0:
            group.append(m)
    ordered = sorted(groups.items(), key=lambda item: _order(item[0]))
    rows = [_row(*group, measured) for group, measured in ordered]
    cases = [_case_row(*group, measured) for group, measured in ordered if group[0] == "run"]
    blocks = ["# Time and memory as results grow", ABOUT, _table(rows, HEADS)]
    if cases:
        blocks += [ABOUT_CASES, _table(cases, CASE_HEADS)]
    return "\n\n".join(blocks) + "\n"


def _order(group: Group) -> tuple[int, int, int]:
    command, count, side = group
    return [*COMMANDS].index(command), count, [*VERSIONS].index(side)


def _table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    return pipe_table(rows, heads, ["left", *["right"] * (len(heads) - 1)])


def _row(command: str, count: int, side: str, measured: Sequence[Measurement]) -> list[str]:
    figures = [("seconds", 1.0), ("processor_s", 1.0), ("peak_bytes", 1 / MIB)]
    texts = [_median([m[name] * scale for m in measured]) for name, scale in figures]
    return [COMMANDS[command].about, f"{count:,}", VERSIONS[side], *texts]


def _case_row(command: str, count: int, side: str, measured: Sequence[Measurement]) -> list[str]:
    """The harness's time for each case: of each seed, and of the parity case before them."""
    texts = [
        _median([1e3 * (m[name] - m["work_s"]) / (count + 1) for m in measured])
        for name in ("seconds", "processor_s")
    ]
    return [f"{count:,}", VERSIONS[side], *texts]


def _median(values: Sequence[float]) -> str:
    return format_number(median(values)) if values else DASH
