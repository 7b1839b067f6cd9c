"""What a record of a study says of its seed."""

import math
from collections.abc import Sequence
from statistics import median

from bench.analysis.statistics import share_interval
from bench.records.record import Record
from bench.report.words import DASH, format_number


def number(record: Record, name: str) -> float:
    """A metric; what is not there, or not a number, counts as infinitely bad."""
    value = record.metrics.get(name)
    return math.inf if value is None or math.isnan(value) else float(value)


def score(record: Record) -> float:
    """At the end of training."""
    return number(record, "score")


def updates(record: Record) -> float:
    """Until solved, infinite where never."""
    return number(record, "steps_to_solve")


def kept(records: Sequence[Record]) -> str:
    """`, 7 at the end` where fewer seeds are below the threshold there than were at some look."""
    solved = [r for r in records if r.metrics["solved"]]
    still = sum(score(r) < number(r, "threshold") for r in solved)
    return f", {still} at the end" if still < len(solved) else ""


def ranged(values: Sequence[float]) -> str:
    """`0.115 (0.0856–0.128)`: the median, the least and the largest."""
    if not values:
        return DASH
    middle, least, most = (format_number(f(values)) for f in (median, min, max))
    return f"{middle} ({least}–{most})"


def counted(count: int, total: int) -> str:
    """`3 of 5 (15–95%)`: with the exact interval of the share."""
    interval = share_interval(count, total)
    if interval is None:
        return DASH
    return f"{count} of {total} ({100 * interval[0]:.0f}–{100 * interval[1]:.0f}%)"
