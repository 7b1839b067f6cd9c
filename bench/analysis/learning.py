"""The learning table: parity, scores over seeds, and gradients."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from bench.analysis.flags import learning_flags
from bench.analysis.gradients import GRADIENT_COLUMNS, gradient_entry
from bench.analysis.rows import (
    BASELINE_PREFIX,
    FINAL_PREFIX,
    ROW_KEYS,
    Row,
    deciding_metric,
    metric_value,
)
from bench.analysis.statistics import interquartile_mean, median_interval, share_interval
from bench.probes.lengths import LENGTH_FACTORS
from bench.records.record import Record

LENGTH_COLUMNS = tuple(
    f"{name}_x{factor}" for factor in LENGTH_FACTORS[1:] for name in ("score", "chance")
)
"""Scores of the trained model and of chance, on sequences this many times as long."""
LEARNING_COLUMNS = (
    *ROW_KEYS,
    *("parity_error", "parity_tolerance", "seeds", "metric", "score", "score_low", "score_high"),
    *("score_interquartile_mean", "scores", "diverged", "chance", "threshold"),
    *("solved", "solved_low", "solved_high", "steps_to_solve", "steps"),
    *(*GRADIENT_COLUMNS, *LENGTH_COLUMNS, "flags"),
)


def learning_table(rows: Sequence[Row], infos: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One entry for each row with proven parity. Lower scores are better; a score that is not
    finite counts as infinite, so that the median over seeds does not hide it. `infos` holds the
    content of `run.json`, by run."""
    entries = [
        _entry(row) | {"flags": learning_flags(row, infos.get(row.run, {}))}
        for row in rows
        if not row.unproven
    ]
    names = dict.fromkeys(name for entry in entries for name in entry)
    scores = [
        n for prefix in (FINAL_PREFIX, BASELINE_PREFIX) for n in names if n.startswith(prefix)
    ]
    return pd.DataFrame(entries, columns=[*LEARNING_COLUMNS, *scores])


def _entry(row: Row) -> dict[str, Any]:
    learned = row.measured("learning")
    return {
        **row.keys,
        **_parity(row.measured("parity")),
        **_task_scores(learned),
        **_scores(learned),
        **_solved(learned),
        **gradient_entry(row.measured("gradients")),
        **_longer_scores(row.measured("lengths")),
    }


def _parity(records: Sequence[Record]) -> dict[str, float]:
    """Error and tolerance of the record whose error is the largest in units of its tolerance."""
    pairs = [
        (metric_value(r, "parity_error"), metric_value(r, "parity_tolerance")) for r in records
    ]
    error, tolerance = max(pairs, key=lambda pair: pair[0] / pair[1])
    return {"parity_error": error, "parity_tolerance": tolerance}


def _task_scores(learned: Sequence[Record]) -> dict[str, Any]:
    """The deciding score's name, chance and threshold, the scores of classical methods, and the
    median over seeds of every final score."""
    first: Mapping[str, Any] = learned[0].metrics if learned else {}
    entry: dict[str, Any] = {"metric": deciding_metric(learned)}
    entry |= {name: first.get(name) for name in ("chance", "threshold")}
    entry |= {name: value for name, value in first.items() if name.startswith(BASELINE_PREFIX)}
    for name in (name for name in first if name.startswith(FINAL_PREFIX)):
        entry[name] = _median_score([metric_value(record, name) for record in learned])
    return entry


def _scores(learned: Sequence[Record]) -> dict[str, Any]:
    """The deciding score at the end of training, over seeds."""
    if not learned:
        return {"seeds": 0, "scores": ()}
    raw = [metric_value(record, "score") for record in learned]
    scores = [value if math.isfinite(value) else math.inf for value in raw]
    low, high = median_interval(scores) or (None, None)
    return {
        "seeds": len(scores),
        "score": median(scores),
        "score_low": low,
        "score_high": high,
        "score_interquartile_mean": interquartile_mean(scores),
        "scores": tuple(scores),
        "diverged": sum(math.isinf(value) for value in scores),
    }


def _solved(learned: Sequence[Record]) -> dict[str, Any]:
    """How many seeds were solved, and the median of the steps that they took."""
    if not learned:
        return {}
    steps = [metric_value(r, "steps_to_solve") for r in learned if r.metrics.get("solved")]
    low, high = share_interval(len(steps), len(learned)) or (None, None)
    return {
        "solved": len(steps),
        "solved_low": low,
        "solved_high": high,
        "steps_to_solve": median(steps) if steps else None,
        "steps": learned[0].case.get("steps"),
    }


def _longer_scores(records: Sequence[Record]) -> dict[str, float]:
    """Medians over seeds of the scores on longer sequences, from the lengths probe."""
    if not records:
        return {}
    return {
        column: _median_score([metric_value(r, column.replace("_", ".")) for r in records])
        for column in LENGTH_COLUMNS
    }


def _median_score(scores: Sequence[float]) -> float:
    """The median over seeds; a missing score counts as infinitely bad."""
    return median(math.inf if math.isnan(score) else score for score in scores)
