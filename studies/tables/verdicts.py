"""Whether our figure agrees with a published one."""

import math
from collections.abc import Sequence
from statistics import median

from bench.analysis.statistics import share_interval
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.experiment import SCORE, SEQUENCES, SOLVED, PublishedFigure
from studies.tables.seeds import is_solved, metric

WITHIN, OUTSIDE = "within", "outside"
METRICS = {SCORE: "score", SEQUENCES: "sequences_to_solve"}
"""The metric of a record that counts a quantity."""


def our_figure(quantity: str, records: Sequence[Record]) -> float:
    """The median over seeds, where a seed that is not solved needs infinitely many sequences, or
    the share of seeds solved; NaN without records."""
    if not records:
        return math.nan
    if quantity == SOLVED:
        return sum(map(is_solved, records)) / len(records)
    return float(median(metric(record, METRICS[quantity]) for record in records))


def verdict(figure: PublishedFigure, value: float, records: Sequence[Record]) -> str:
    """`within` where our figure agrees with the published one, otherwise on which side it lies."""
    if math.isnan(figure.value) or math.isnan(value):
        return DASH
    if _agrees(figure, value, len(records)):
        return WITHIN
    if math.isinf(value) and figure.quantity == SEQUENCES:
        return f"{OUTSIDE}: no more than half solved"
    below, above = ("fewer", "more") if figure.quantity == SEQUENCES else ("lower", "higher")
    return f"{OUTSIDE}: {below if value < figure.low else above}"


def _agrees(figure: PublishedFigure, value: float, seeds: int) -> bool:
    """Whether our figure lies in the published range; a share of seeds agrees where its 95%
    interval reaches the range."""
    if figure.quantity != SOLVED:
        return figure.low <= value <= figure.high
    interval = share_interval(round(value * seeds), seeds)
    assert interval
    return interval[0] <= figure.high and interval[1] >= figure.low


def figure_text(quantity: str, value: float, infinite: str = DASH) -> str:
    """A value of a quantity; `infinite` stands for sequences that were never enough."""
    if math.isnan(value):
        return DASH
    if quantity == SEQUENCES and math.isinf(value):
        return infinite
    if quantity == SOLVED:
        return f"{100 * value:.0f}%"
    return f"{value:,.0f}" if quantity == SEQUENCES else format_number(value)


def published_text(figure: PublishedFigure) -> str:
    """The published value or range."""
    if math.isnan(figure.value):
        return DASH
    if figure.is_range:
        low, high = (figure_text(figure.quantity, value) for value in (figure.low, figure.high))
        return f"{low}–{high}"
    return figure_text(figure.quantity, figure.value)


def spread_text(quantity: str, records: Sequence[Record]) -> str:
    """` (0.1–0.3)`: the smallest and the largest of the seeds; nothing for one seed, for shares,
    and where no seed is solved."""
    if quantity == SOLVED or len(records) < 2:
        return ""
    values = [metric(record, METRICS[quantity]) for record in records]
    low, high = (figure_text(quantity, v, infinite="∞") for v in (min(values), max(values)))
    return f" ({low}–{high})" if quantity == SCORE or low != "∞" else ""
