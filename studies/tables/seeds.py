"""What the records of seeds say, as numbers and as text."""

import math
from collections.abc import Sequence
from statistics import median

from bench.analysis.statistics import share_interval
from bench.records.record import Record
from bench.report.words import DASH, format_number


def metric(record: Record, name: str) -> float:
    """A metric of a record; one that is missing or not a number counts as infinitely bad."""
    value = record.metrics.get(name)
    return math.inf if value is None or math.isnan(value) else float(value)


def final_score(record: Record) -> float:
    """The score at the end of training."""
    return metric(record, "score")


def updates_to_solve(record: Record) -> float:
    """The updates until the seed was solved; infinite where it never was."""
    return metric(record, "steps_to_solve")


def is_solved(record: Record) -> bool:
    """Whether the seed was solved at any checkpoint."""
    return bool(record.metrics["solved"])


def is_solved_at_end(record: Record) -> bool:
    """Whether the score at the end of training is still below the threshold."""
    return final_score(record) < metric(record, "threshold")


def still_solved_text(records: Sequence[Record]) -> str:
    """`, 7 at the end` where some seeds that were solved at a checkpoint are no longer solved at
    the end; otherwise nothing."""
    solved = [record for record in records if is_solved(record)]
    at_end = sum(map(is_solved_at_end, solved))
    return f", {at_end} at the end" if at_end < len(solved) else ""


def range_text(values: Sequence[float]) -> str:
    """`0.115 (0.0856–0.128)`: the median, the smallest and the largest value."""
    if not values:
        return DASH
    middle, smallest, largest = (format_number(f(values)) for f in (median, min, max))
    return f"{middle} ({smallest}–{largest})"


def share_text(count: int, total: int) -> str:
    """`3 of 5 (15–95%)`: a share with its exact 95% interval."""
    interval = share_interval(count, total)
    if interval is None:
        return DASH
    return f"{count} of {total} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f}%)"
