"""The tables of the guard's error rates, from the recorded launches and comparisons."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.compare.decision import Rule, Verdict
from bench.compare.paired_tests import pseudomedian, walsh_interval
from bench.report.words import DASH
from studies.guard_rates.collect import SAME, State
from studies.guard_rates.compare_faults import FAULT_LINES
from studies.guard_rates.durations import DURATION_LINES
from studies.guard_rates.goals import goals
from studies.guard_rates.pair_ratios import guard_ratio, launches_by
from studies.guard_rates.rates import (
    Rate,
    Rates,
    drawn_outcomes,
    red_rates,
    swapped_false_alarms,
)
from studies.guard_rates.rules import GUARD, all_rules
from studies.guard_rates.streams import Stream, read_streams
from studies.json_lines import JsonLines

ORIGIN_FILE = "origin.txt"
"""The day, machine and versions of a collection."""
SEED = 0
SWAPPED, OTHERS = 20_000, 200
"""Comparisons: with swapped sides, and for what has no interval."""


def report(folder: Path) -> str:
    """The tables of everything that a folder holds."""
    sections = [(folder / ORIGIN_FILE).read_text().strip()]
    durations = JsonLines(folder / DURATION_LINES).read()
    if streams := read_streams(folder):
        found = {(s.state, s.head_name): rates_of_guard(s) for s in streams}
        alarms = {s.state: swapped(s) for s in streams if s.head_name == SAME}
        rows_found = {key: rates.row for key, rates in found.items()}
        sections += [
            "## Goals",
            _table([asdict(goal) for goal in goals(rows_found, alarms, durations)]),
            "## How often this guard finds a slowdown",
            power_table(streams, found),
            "## How often it is wrong about unchanged code",
            false_alarm_table(alarms),
            "## What was injected, and how far pairs scatter",
            effects_table(streams),
            "## Other rules on the same launches, by row",
            rules_table(streams, all_rules()),
        ]
    if lines := JsonLines(folder / FAULT_LINES).read():
        sections += ["## Faults", faults_table(lines)]
    return "\n\n".join(sections) + "\n"


def pack(folder: Path) -> None:
    """Compress the recorded launches."""
    for state in State:
        JsonLines(folder / state.file).pack()


def rates_of_guard(stream: Stream) -> Rates:
    """How often the guard calls the head of this stream slower."""
    return red_rates(stream, all_rules()[GUARD](stream), np.random.default_rng(SEED))


def swapped(stream: Stream) -> tuple[int, int]:
    """The red comparisons with swapped sides, and all of them."""
    rng = np.random.default_rng(SEED)
    return swapped_false_alarms(stream, Rule(), SWAPPED, rng), SWAPPED


def power_table(streams: Sequence[Stream], found: Mapping[tuple[State, str], Rates]) -> str:
    """A row for each head and state: how often a row and a comparison are called slower."""
    rows = []
    for stream in streams:
        rates = found[stream.state, stream.head_name]
        replay, rng = all_rules()[GUARD](stream), np.random.default_rng(SEED)
        outcomes = drawn_outcomes(stream, replay, OTHERS, rng)
        verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
        rows.append(
            {
                "machine": stream.state.value,
                "head": stream.head_name,
                "rows found": _rate(rates.row),
                "comparisons found": _rate(rates.comparison),
                "rows passed": _share(verdicts, Verdict.PASS),
                "rows inconclusive": _share(verdicts, Verdict.INCONCLUSIVE),
                "pairs": f"{mean(outcome.launches for outcome in outcomes):.0f}",
            }
        )
    return _table(rows)


def false_alarm_table(alarms: Mapping[State, tuple[int, int]]) -> str:
    """A row for each state: false alarms among comparisons with swapped sides."""
    return _table(
        [
            {
                "machine": state.value,
                "comparisons with swapped sides": count,
                "red": red,
                "in a thousand": f"{1000 * red / count:.2g}",
            }
            for state, (red, count) in alarms.items()
        ]
    )


def effects_table(streams: Sequence[Stream]) -> str:
    """A row for each state, model and head: the effect that the pairs measure, its 95% interval,
    and the standard deviation of a pair's log-ratio in turns and without."""
    rows = []
    for stream in streams:
        in_turns, whole = stream.ratios(guard_ratio), stream.ratios(launches_by(min_of_launch))
        for model in stream.models:
            low, high = walsh_interval(in_turns[model])
            rows.append(
                {
                    "machine": stream.state.value,
                    "model": model,
                    "injected": stream.head_name,
                    "measured": _percent(pseudomedian(in_turns[model])),
                    "95%": f"{_percent(low)} … {_percent(high)}",
                    "scatter in turns": f"{100 * np.std(in_turns[model]):.2f}%",
                    "scatter of minima": f"{100 * np.std(whole[model]):.2f}%",
                }
            )
    return _table(rows)


def min_of_launch(samples: Sequence[float]) -> float:
    """The fastest sample."""
    return float(np.min(samples))


def rules_table(streams: Sequence[Stream], names: Collection[str]) -> str:
    """A row for each of these rules: the share of rows that it calls slower, by state and head."""
    rows = []
    for name in (name for name in all_rules() if name in names):
        row: dict[str, str] = {"rule": name}
        for stream in streams:
            if stream.head_name in (SAME, "+5%", "+10%"):
                outcomes = drawn_outcomes(
                    stream, all_rules()[name](stream), OTHERS, np.random.default_rng(SEED)
                )
                verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
                row[f"{stream.head_name}, {stream.state}"] = _share(verdicts, Verdict.REGRESSED)
        rows.append(row)
    return _table(rows)


def faults_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """A row for each fault: how many models of all backends were red, and by which checks."""
    rows = []
    for fault in dict.fromkeys(line["fault"] for line in lines):
        models = [line for line in lines if line["fault"] == fault]
        red = sum(bool(line["red"]) for line in models)
        checks = dict.fromkeys(check.split(",")[0] for line in models for check in line["red"])
        rows.append(
            {
                "fault": fault.replace("_", " "),
                "models that were red": f"{red} of {len(models)}",
                "by": ", ".join(checks),
            }
        )
    return _table(rows)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    return str(tabulate(rows, "keys", "pipe", disable_numparse=True)) if rows else DASH


def _rate(rate: Rate) -> str:
    """`97.3% [95.1–98.9]`."""
    return f"{100 * rate.share:.3g}% [{100 * rate.low:.3g}–{100 * rate.high:.3g}]"


def _share(verdicts: Sequence[str], verdict: Verdict) -> str:
    return f"{100 * verdicts.count(verdict.value) / max(1, len(verdicts)):.3g}%"


def _percent(log_ratio: float) -> str:
    return f"{100 * np.expm1(log_ratio):+.2f}%"
