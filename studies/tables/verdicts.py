"""Whether our figure agrees with a published one."""

import math
from collections.abc import Sequence
from statistics import median

from scipy.stats import binomtest  # type: ignore[import-untyped]

from bench.analysis.statistics import share_interval
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.experiment import SCORE, SEQUENCES, SOLVED, PublishedFigure
from studies.tables.seeds import is_solved, metric

WITHIN, OUTSIDE, UNCLEAR = "within", "outside", "unclear"
AT_CHANCE = "at chance, as published"
LEVEL = 0.05
"""Of each of the two one-sided tests."""
SHARE_TOLERANCE = 1 / 3
"""How far the interval of a share of seeds may leave the published range."""
LEARNED = 0.9
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


def verdict(figure: PublishedFigure, records: Sequence[Record]) -> str:
    """Whether our figure agrees with the published one, or on which side of it ours lies.

    `within` and `outside` take evidence from the seeds: few of them, or seeds on both sides of an
    end of the range, are `unclear`. A figure that a network meets which has learned nothing is
    never `within`.
    """
    if math.isnan(figure.value) or not records:
        return DASH
    value = our_figure(figure.quantity, records)
    if figure.low <= value <= figure.high and _met_by_chance(figure, records):
        learned = is_better_than_chance(figure.quantity, value, records)
        return f"{UNCLEAR}: chance is within, too" if learned else AT_CHANCE
    share = figure.quantity == SOLVED
    place = _place_of_share(figure, records) if share else _place_of_median(figure, records)
    if place == UNCLEAR:
        return f"{UNCLEAR}: {len(records)} seeds"
    return WITHIN if place == WITHIN else f"{OUTSIDE}: {_side(figure, value)}"


def _side(figure: PublishedFigure, value: float) -> str:
    if math.isinf(value) and figure.quantity == SEQUENCES:
        return "no more than half solved"
    below, above = ("fewer", "more") if figure.quantity == SEQUENCES else ("lower", "higher")
    return below if value < figure.low else above


def _place_of_median(figure: PublishedFigure, records: Sequence[Record]) -> str:
    """Two one-sided sign tests of the median over seeds, one for each end of the range."""
    values = [metric(record, METRICS[figure.quantity]) for record in records]
    below, above = sum(v < figure.low for v in values), sum(v > figure.high for v in values)
    if _most(below, len(values)) or _most(above, len(values)):
        return OUTSIDE
    not_below, not_above = len(values) - below, len(values) - above
    inside = _most(not_below, len(values)) and _most(not_above, len(values))
    return WITHIN if inside else UNCLEAR


def _most(count: int, total: int) -> bool:
    """Whether the exact sign test shows that more than half of all seeds would be counted."""
    return bool(binomtest(count, total, alternative="greater").pvalue <= LEVEL)


def _place_of_share(figure: PublishedFigure, records: Sequence[Record]) -> str:
    """By the exact 95% interval of the share: outside where it does not reach the range, within
    where it leaves it by no more than the tolerance."""
    count = sum(map(is_solved, records))
    interval = share_interval(count, len(records))
    assert interval
    if interval[0] > figure.high or interval[1] < figure.low:
        return OUTSIDE
    near = (
        figure.low - SHARE_TOLERANCE <= interval[0] and interval[1] <= figure.high + SHARE_TOLERANCE
    )
    return WITHIN if near and figure.low <= count / len(records) <= figure.high else UNCLEAR


def _met_by_chance(figure: PublishedFigure, records: Sequence[Record]) -> bool:
    """Whether a network that has learned nothing meets the published figure."""
    chance = chance_figure(figure.quantity, records[0])
    return figure.low <= chance <= figure.high


def chance_figure(quantity: str, record: Record) -> float:
    """The figure of a network that has learned nothing, by the chance score of the task; NaN where
    the record has none."""
    chance = record.metrics.get("chance")
    if chance is None:
        return math.nan
    if quantity == SCORE:
        return float(chance)
    solved = chance < metric(record, "threshold")
    if quantity == SOLVED:
        return float(solved)
    return 0.0 if solved else math.inf


def is_better_than_chance(quantity: str, value: float, records: Sequence[Record]) -> bool:
    """Whether a figure shows that something was learned. A score does where it is below nine
    tenths of the chance score, since held-out sets are small."""
    chance = chance_figure(quantity, records[0])
    return value < LEARNED * chance if quantity == SCORE else value > chance


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
