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
    "What one more cheap case takes: on the wall clock without the calls of the backend and of the "
    "reference, on the processors with them."
)
HEADS = ("command", "count", "version", "wall clock (s)", "processors (s)", "memory (MiB)")
CASE_HEADS = ("seeds", "version", "wall clock (ms a case)", "processors (ms a case)")
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
    cases = _case_rows(groups)
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


def _case_rows(groups: Mapping[Group, Sequence[Measurement]]) -> list[list[str]]:
    """For each side, what one more case takes: the difference of the largest and the smallest run
    over that of their cases."""
    rows = []
    for side, version in VERSIONS.items():
        runs = {
            count: group for (name, count, s), group in groups.items() if (name, s) == ("run", side)
        }
        runs = {count: group for count, group in runs.items() if group}
        if len(runs) < 2:
            continue
        few, many = min(runs), max(runs)
        waits, processors = (
            [median([value(m) for m in runs[count]]) for count in (few, many)]
            for value in (_beside_work, _processors)
        )
        texts = [format_number(1e3 * (b - a) / (many - few)) for a, b in (waits, processors)]
        rows.append([f"{few:,} to {many:,}", version, *texts])
    return rows


def _beside_work(measurement: Measurement) -> float:
    return float(measurement["seconds"] - measurement["work_s"])


def _processors(measurement: Measurement) -> float:
    return float(measurement["processor_s"])


def _median(values: Sequence[float]) -> str:
    return format_number(median(values)) if values else DASH
