"""The tables of the guard's error rates, from the recorded launches and comparisons."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

from bench.analysis.statistics import share_interval
from bench.compare.decision import Verdict
from bench.report.words import DASH
from studies.guard_rates.collect import BUSY, QUIET
from studies.guard_rates.compare_faults import FAULT_LINES
from studies.guard_rates.rules import Outcomes, all_rules
from studies.guard_rates.streams import Stream, read_streams
from studies.json_lines import JsonLines

ORIGIN_FILE = "origin.txt"
"""The day, machine and versions of a collection."""


def report(folder: Path) -> str:
    """The tables of everything that a folder holds."""
    sections = [(folder / ORIGIN_FILE).read_text().strip()]
    if streams := read_streams(folder):
        sections.append(rules_table(streams, all_rules()))
    if lines := JsonLines(folder / FAULT_LINES).read():
        sections.append(faults_table(lines))
    return "\n\n".join(sections) + "\n"


def pack(folder: Path) -> None:
    """Compress the recorded launches."""
    for name in (QUIET, BUSY):
        JsonLines(folder / name).pack()


def rules_table(streams: Mapping[str, Stream], names: Collection[str]) -> str:
    """A row for each of these rules: how often it calls a head regressed, with exact intervals, how
    often it is inconclusive, and its launches a side; the last two by head."""
    rows = []
    for name, rule in all_rules().items():
        if name not in names:
            continue
        by_head = [rule(stream) for stream in streams.values()]
        inconclusive = " / ".join(_percent(outcomes, Verdict.INCONCLUSIVE) for outcomes in by_head)
        launches = " / ".join(f"{mean(n for _, n in o):.0f}" if o else DASH for o in by_head)
        shares = (_share(outcomes, Verdict.REGRESSED) for outcomes in by_head)
        rows.append([name, *shares, inconclusive, launches])
    titles = [
        head.replace("same", "false alarms") if "same" in head else f"+{head} found"
        for head in streams
    ]
    return str(tabulate(rows, ["rule", *titles, "inconclusive", "launches a side"], "pipe"))


def _share(outcomes: Outcomes, verdict: Verdict) -> str:
    """`62 of 108 (48–66.9%)`."""
    count = sum(v == verdict.value for v, _ in outcomes)
    low, high = share_interval(count, len(outcomes)) or (0.0, 1.0)
    return f"{count} of {len(outcomes)} ({100 * low:.2g}–{100 * high:.3g}%)"


def _percent(outcomes: Outcomes, verdict: Verdict) -> str:
    count = sum(v == verdict.value for v, _ in outcomes)
    return f"{100 * count / max(1, len(outcomes)):.0f}%"


def faults_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """A row for each fault: how many models of all backends were red, and by which checks."""
    rows = []
    for fault in dict.fromkeys(line["fault"] for line in lines):
        models = [line for line in lines if line["fault"] == fault]
        red = sum(bool(line["red"]) for line in models)
        checks = dict.fromkeys(check.split(",")[0] for line in models for check in line["red"])
        rows.append([fault.replace("_", " "), f"{red} of {len(models)}", ", ".join(checks)])
    return str(tabulate(rows, ["fault", "models that were red", "by"], "pipe"))
