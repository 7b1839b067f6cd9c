"""The table of the measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from studies.growth.commands import COMMANDS
from studies.growth.measure import AFTER, BEFORE, MEASUREMENTS_FILE
from studies.json_lines import JsonLines
from studies.tables.pipe_table import pipe_table

Measurement = Mapping[str, Any]
MIB, GONE = 2**20, "–"
HEADS = ("command", "count", "before (s)", "after (s)", "before (MiB)", "after (MiB)")
CASE_HEADS = ("seeds", "before (ms a case)", "after (ms a case)")


def report(folder: Path) -> str:
    """All tables as Markdown, from the measurements in a folder."""
    measurements = JsonLines(folder / MEASUREMENTS_FILE).read()
    groups: dict[tuple[str, int], list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault((measurement["command"], measurement["count"]), []).append(measurement)
    ordered = sorted(groups.items(), key=lambda group: ([*COMMANDS].index(group[0][0]), group[0]))
    rows = [_row(COMMANDS[name].about, count, group) for (name, count), group in ordered]
    cases = [_case_row(count, group) for (name, count), group in ordered if name == "run"]
    alignment = ("left", *["right"] * (len(HEADS) - 1))
    blocks = ["# Time and memory as results grow", pipe_table(rows, HEADS, alignment)]
    if cases:
        note = (
            "What the harness adds to a cheap case: the time of the whole run, its start and its "
            "report included, without the calls of the backend and the reference, over its cases."
        )
        blocks += [note, pipe_table(cases, CASE_HEADS, ["right"] * len(CASE_HEADS))]
    return "\n\n".join(blocks) + "\n"


def _row(about: str, count: int, group: Sequence[Measurement]) -> list[str]:
    columns = [_median(group, side, name) for name in ("seconds", "peak_bytes") for side in SIDES]
    seconds, peaks = columns[:2], columns[2:]
    return [
        about,
        f"{count:,}",
        *(GONE if value is None else f"{value:.3g}" for value in seconds),
        *(GONE if value is None else f"{value / MIB:,.0f}" for value in peaks),
    ]


def _case_row(count: int, group: Sequence[Measurement]) -> list[str]:
    """The harness's time for each case: the seeds, and the parity case before them."""
    texts = []
    for side in SIDES:
        times = [1e3 * (m["seconds"] - m["work_s"]) / (count + 1) for m in _successful(group, side)]
        texts.append(f"{median(times):.2g}" if times else GONE)
    return [f"{count:,}", *texts]


SIDES = (BEFORE, AFTER)


def _median(group: Sequence[Measurement], side: str, name: str) -> float | None:
    values = [measurement[name] for measurement in _successful(group, side)]
    return median(values) if values else None


def _successful(group: Sequence[Measurement], side: str) -> list[Measurement]:
    """The measurements of a side whose command succeeded."""
    return [m for m in group if m["side"] == side and m["exit_code"] == 0]
