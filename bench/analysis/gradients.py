"""Gradient columns of the learning table: norms over training and half-lives through time."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.rows import metric_value
from bench.probes.gradients import half_life
from bench.records.record import Record

GRADIENT_COLUMNS = (
    *("gradient_norm_first", "gradient_norm_last", "half_life_initial", "half_life_trained"),
    *("gradient_nan", "gradient_inf"),
)


def gradient_entry(records: Sequence[Record]) -> dict[str, Any]:
    """Norms and half-lives (steps) as medians over seeds, and counts of NaN and Inf summed over
    seeds, from the records of the gradients probe; empty without records."""
    if not records:
        return {}
    entry: dict[str, Any] = {
        name: median(metric_value(record, name) for record in records)
        for name in ("gradient_norm_first", "gradient_norm_last")
    }
    for moment in ("initial", "trained"):
        norms = [r.samples.get(f"hidden_gradient_norm.{moment}", ()) for r in records]
        half_lives = [half_life(np.array(series)) for series in norms]
        entry[f"half_life_{moment}"] = median_half_life(half_lives)
    for count in ("gradient_nan", "gradient_inf"):
        entry[count] = sum(metric_value(record, count) for record in records)
    return entry


def median_half_life(half_lives: Sequence[float | None]) -> float:
    """The half-life at the median rate; NaN where no seed has one.

    Rates (the inverse of half-lives) put decay, a level norm and growth on one line. Half-lives
    do not: they are positive, infinite and negative."""
    rates = [1 / steps for steps in half_lives if steps]
    if not rates:
        return math.nan
    rate = median(rates)
    return 1 / rate if rate else math.inf
