"""When the losses of two backends diverge, which differ by rounding alone."""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from bench.probes.learning import MAX_STORED_LOSSES
from bench.records.record import Record
from bench.report.words import DASH
from bench.spec import Array
from studies.agreement.pairs import Pair, Pairs, models, pairs_of_model
from studies.tables.pipe_table import pipe_table

DIVERGED = 0.01
"""Two curves have diverged where their losses differ by this share of the larger one."""
LEGEND = (
    "The same seed has the same weights and batches in every backend: only rounding differs. "
    f"Curves have diverged at the first update whose losses differ by {100 * DIVERGED:g}%; the "
    f"losses of longer runs are averaged over blocks of updates, at most "
    f"{MAX_STORED_LOSSES:,} of them."
)


def divergence_table(pairs: Pairs, main: str) -> str:
    """For each model, the median update at which each backend's curve leaves the main one's;
    nothing where no seed is trained in two backends."""
    if not pairs:
        return ""
    rows = [
        [*model, *(_median_text(pairs_of_model(group, model)) for group in pairs.values())]
        for model in models(pairs)
    ]
    columns = ["experiment", "cell", *(f"{name}, {main}" for name in pairs)]
    return f"{LEGEND}\n\n{pipe_table(rows, columns)}\n"


def _median_text(pairs: Sequence[Pair]) -> str:
    """The median over seeds; a dash where the curves do not diverge, nothing without seeds."""
    if not pairs:
        return ""
    middle = median(divergence(pair.other, pair.main) for pair in pairs)
    return DASH if math.isinf(middle) else f"{middle:,.0f}"


def divergence(a: Record, b: Record) -> float:
    """The first update at which the losses have diverged, or after which one of the runs has no
    more losses; infinite where there is none."""
    steps, differences = loss_differences(a, b)
    lasts = last_update(a), last_update(b)
    end = math.inf if lasts[0] == lasts[1] else min(lasts)
    pairs = zip(steps, differences, strict=True)
    return float(next((step for step, d in pairs if not d <= DIVERGED), end))


def loss_differences(a: Record, b: Record) -> tuple[Array, Array]:
    """Updates, and the difference of the losses there over the larger of them.

    Both are empty where one run stopped early, so that its stored losses are means over fewer
    updates than the stored losses of the other run.
    """
    x, y = (np.array(record.samples["loss"], np.float64) for record in (a, b))
    widths = [-(-last_update(record) // MAX_STORED_LOSSES) for record in (a, b)]
    count = min(len(x), len(y)) if widths[0] == widths[1] else 0
    x, y = x[:count], y[:count]
    larger = np.maximum(np.abs(x), np.abs(y))
    differences = np.divide(np.abs(x - y), larger, out=np.zeros(count), where=x != y)
    return np.arange(count) * widths[0], differences


def last_update(record: Record) -> int:
    """The number of updates made: a run stops where its loss is no longer finite."""
    return int(record.samples["checkpoint_step"][-1])
