"""The learning table and the table of all scores as text."""

import math
from typing import Any

import pandas as pd

from bench.analysis.rows import FINAL_PREFIX, classical_scores
from bench.analysis.statistics import MIN_FOR_RANGE
from bench.report.words import (
    DASH,
    INTERVAL,
    format_columns,
    format_flags,
    format_interval,
    format_number,
    row_values,
    spread_column,
)

MAX_HALF_LIFE = 1e6
"""Steps above which a fitted half-life cannot be told from a level norm."""


def learning_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Parity, scores and gradients, by cell and backend."""
    score_spread = spread_column("score", frame["seeds"])
    return format_columns(
        frame,
        {
            "cell": lambda r: r.cell,
            "backend": lambda r: r.backend,
            "parity error": lambda r: format_number(r.parity_error, 2),
            "tolerance": lambda r: format_number(r.parity_tolerance, 2),
            "score": _score,
            score_spread: lambda r: format_interval(r.score_low, r.score_high),
            "solved": lambda r: f"{r.solved:.0f}/{r.seeds}" if r.seeds else DASH,
            f"solved{INTERVAL}": _solved_interval,
            "steps to solve": _steps_to_solve,
            "gradient norm": _gradient_norm,
            "half-life (steps)": _half_life,
            "NaN/Inf": _nan_and_inf,
            "score ×2 as long": lambda r: _longer_score(r.score_x2, r.chance_x2),
            "score ×4 as long": lambda r: _longer_score(r.score_x4, r.chance_x4),
            "flags": format_flags,
        },
    )


def all_scores_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Every score of the models (medians over seeds), then of the classical methods; empty where
    there is only the deciding score."""
    learned = frame[frame["seeds"] > 0]
    models = [dict(zip(frame.columns, row, strict=True)) for row in row_values(learned)]
    first = models[0] if models else {}
    finals = [str(name) for name in first if str(name).startswith(FINAL_PREFIX)]
    scores = [name.removeprefix(FINAL_PREFIX) for name in finals if not pd.isna(first[name])]
    classical = classical_scores(first, first.get("metric"))
    if len(scores) < 2 and not any(len(values) > 1 for values in classical.values()):
        return pd.DataFrame()
    lines = [
        [
            f"{model['cell']}, {model['backend']}",
            *(format_number(model[FINAL_PREFIX + score]) for score in scores),
        ]
        for model in models
    ]
    lines += [
        [method, *(format_number(values.get(score)) for score in scores)]
        for method, values in classical.items()
    ]
    return pd.DataFrame(lines, columns=["by", *scores])


def _score(row: Any) -> str:
    """The median over seeds; with fewer than three seeds, the values themselves."""
    if not row.seeds:
        return DASH
    if row.seeds < MIN_FOR_RANGE:
        return ", ".join(map(_one_score, row.scores))
    partly_diverged = 0 < row.diverged < row.seeds
    return _one_score(row.score) + (f" ({row.diverged:.0f} diverged)" if partly_diverged else "")


def _one_score(score: float) -> str:
    return "diverged" if math.isinf(score) else format_number(score)


def _longer_score(score: Any, chance: Any) -> str:
    """`0.29 (chance 0.17)`."""
    return DASH if pd.isna(score) else f"{format_number(score)} (chance {format_number(chance, 2)})"


def _solved_interval(row: Any) -> str:
    if pd.isna(row.solved_low):
        return DASH
    return f"{100 * row.solved_low:.0f}–{100 * row.solved_high:.0f}%"


def _steps_to_solve(row: Any) -> str:
    """`750, 1 > 4000`: the median over the seeds that solved the task, then the number of seeds
    that did not within the steps of training."""
    if pd.isna(row.steps_to_solve):
        return DASH
    unsolved = row.seeds - row.solved
    censored = f", {unsolved:.0f} > {row.steps}" if unsolved else ""
    return f"{row.steps_to_solve:.0f}{censored}"


def _gradient_norm(row: Any) -> str:
    """`5.00 → 0.500`: at the first and at the last step of training."""
    if pd.isna(row.gradient_nan):
        return DASH
    norms = (row.gradient_norm_first, row.gradient_norm_last)
    return " → ".join("NaN" if pd.isna(norm) else format_number(norm) for norm in norms)


def _half_life(row: Any) -> str:
    """`12 → 30`: at the initial and at the trained weights."""
    half_lives = (row.half_life_initial, row.half_life_trained)
    texts = ["∞" if abs(v) > MAX_HALF_LIFE else format_number(v, 2) for v in half_lives]
    return DASH if set(texts) == {DASH} else " → ".join(texts)


def _nan_and_inf(row: Any) -> str:
    if pd.isna(row.gradient_nan):
        return DASH
    return f"{row.gradient_nan:.0f}/{row.gradient_inf:.0f}"
