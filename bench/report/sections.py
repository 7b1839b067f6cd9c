"""Sections of a report: one for each run, task, size, device and dtype."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.ranks import ranked_rows
from bench.analysis.rows import TABLE_KEYS, Row, classical_scores, rows_by_table
from bench.analysis.tables import Tables
from bench.plan.probes import ADVANCE, PHASE_NAMES
from bench.report.latency_words import latency_words
from bench.report.learning_words import all_scores_words, learning_words
from bench.report.speed_words import phase_words, start_words, time_caption
from bench.report.words import format_counts, format_number, format_setting, spread_name

PROMPT_LETTERS = 30
"""How many of the last letters of a prompt are displayed."""


@dataclass(frozen=True)
class PhaseTable:
    """The ranked times of one phase. The caption names machine, threads and launches."""

    heading: str
    caption: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Section:
    """One section; every entry of its tables is text.

    `table_key` is run, task, device and dtype. `score` explains the scores and is empty where
    nothing was learned. `all_scores` is empty where there is a single score. `start` has first
    calls, memory and kernels. `generated_text` holds what trained models wrote, by model and
    seed."""

    table_key: tuple[str, ...]
    title: str
    score: str
    settings: str
    learning: pd.DataFrame
    all_scores: pd.DataFrame
    speed: Sequence[PhaseTable]
    start: pd.DataFrame
    generated_text: Mapping[str, str]


def sections(tables: Tables) -> list[Section]:
    """A section for each group of rows that has results."""
    several_runs = len({row.run for row in tables.rows}) > 1
    learning_of, speed_of = split_by_table(tables.learning), split_by_table(tables.speed)
    ranked = {p: split_by_table(ranked_rows(tables.speed, p)) for p in tables.speed_phases}
    latency_of = split_by_table(ranked_rows(tables.latency, "p50"))
    with_results = []
    for key, rows in rows_by_table(tables.rows).items():
        learning, speed, latency = learning_of(key), speed_of(key), latency_of(key)
        if len(learning) or len(speed) or len(latency):
            times = {phase: rows_of(key) for phase, rows_of in ranked.items()}
            phases = _phase_tables(times, latency)
            with_results.append(_section(key, rows, learning, speed, phases, several_runs))
    return with_results


def _section(
    table_key: tuple[str, ...],
    rows: Sequence[Row],
    learning: pd.DataFrame,
    speed: pd.DataFrame,
    phases: Sequence[PhaseTable],
    several_runs: bool,
) -> Section:
    run, *title = table_key
    return Section(
        table_key,
        ", ".join([*title, *([f"run {run}"] if several_runs else [])]),
        _score_line(learning),
        ", ".join(f"{name} {format_setting(value)}" for name, value in rows[0].size.items()),
        learning_words(learning),
        all_scores_words(learning),
        phases,
        start_words(speed),
        _generated_text(rows),
    )


def _phase_tables(times: Mapping[str, pd.DataFrame], latency: pd.DataFrame) -> list[PhaseTable]:
    """A table for each of the phases that was timed, from their `ranked_rows`."""
    tables = [
        PhaseTable(f"Speed: {PHASE_NAMES[p]}", time_caption(rows), phase_words(rows, p))
        for p, rows in times.items()
        if len(rows)
    ]
    if len(latency):
        heading, caption = f"Latency: {PHASE_NAMES[ADVANCE]}", time_caption(latency)
        tables.append(PhaseTable(heading, caption, latency_words(latency)))
    return tables


def split_by_table(frame: pd.DataFrame) -> Callable[[tuple[str, ...]], pd.DataFrame]:
    """A function that returns the rows of the frame with this run, task, device and dtype."""
    parts = dict(iter(frame.groupby(list(TABLE_KEYS), sort=False)))
    return lambda table_key: parts.get(table_key, frame.iloc[:0])


def _generated_text(rows: Sequence[Row]) -> dict[str, str]:
    """What each model wrote after training with its first seed, on tasks with text."""
    texts = {}
    for row in rows:
        learned = row.measured("learning")
        if learned and (codes := learned[0].samples.get("written")):
            prompt = _decoded(learned[0].samples.get("prompt", ()))
            after = f", after {prompt[-PROMPT_LETTERS:]!r}" if prompt else ""
            title = f"{row.backend} {row.cell}, seed {learned[0].case['seed']}{after}"
            texts[title] = _decoded(codes)
    return texts


def _decoded(codes: Sequence[float]) -> str:
    """The text of these Unicode code points, with � for what is none."""
    return "".join(chr(int(c)) if 0 <= c < sys.maxunicode + 1 else "\ufffd" for c in codes)


def _each(column: pd.Series) -> str:
    """The different values of a setting that the rows of a table should share."""
    return " or ".join(dict.fromkeys(map(format_setting, column)))


def _score_line(frame: pd.DataFrame) -> str:
    """`Score: mse, lower is better; chance 0.167, solved below 0.01; classical methods: …; median
    and range of 3 seeds`."""
    learned = frame[frame["seeds"] > 0]
    if learned.empty:
        return ""
    first: Mapping[Any, Any] = learned.iloc[0].to_dict()
    scores = classical_scores(first, first["metric"])
    methods = [
        f"{name} {format_number(values.get(first['metric']))}" for name, values in scores.items()
    ]
    spread = spread_name(learned["seeds"])
    clauses = [
        f"Score: {first['metric'] or 'unnamed'}, lower is better",
        f"chance {_each(learned['chance'])}, solved below {_each(learned['threshold'])}",
        *([f"classical methods: {', '.join(methods)}"] if methods else []),
        *([f"median and {spread} of {format_counts(learned['seeds'])} seeds"] if spread else []),
    ]
    return "; ".join(clauses)
