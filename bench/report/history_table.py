"""The table of a metric's levels over stored runs, as text."""

import itertools
from collections.abc import Iterable

import pandas as pd

from bench.analysis.history import Metric, MetricHistory
from bench.report.words import DASH, format_interval, format_number


def history_table(histories: Iterable[MetricHistory], metric: Metric) -> pd.DataFrame:
    """A row for each history: its first and its latest level, and the runs at which it changed."""
    rows = []
    for history in histories:
        levels, last = history.levels(), history.points[-1]
        rows.append(
            {
                "cell": history.label,
                "runs": str(len(history.points)),
                f"first {metric.unit}".strip(): format_number(levels[0][2] * metric.scale),
                f"now {metric.unit}".strip(): format_number(levels[-1][2] * metric.scale),
                "last interval": (
                    DASH if last.low is None else format_interval(last.low, last.high, metric.scale)
                ),
                "reason": "; ".join(_changes(history, metric.scale)) or "no change",
            }
        )
    return pd.DataFrame(rows, dtype=object)


def _changes(history: MetricHistory, scale: float) -> list[str]:
    """`+12.3% at 2026-11-02T10-00 (commit abc, torch 2.13)` for each change."""
    levels = history.levels()
    return [
        f"{_change(before * scale, after * scale)} at {history.points[start].run}"
        + (f" ({history.points[start].software})" if history.points[start].software else "")
        for (_, _, before), (start, _, after) in itertools.pairwise(levels)
    ]


def _change(before: float, after: float) -> str:
    """`+12.3%`, and the new level itself where the old one is zero."""
    if before == 0:
        return f"from 0 to {format_number(after)}"
    return f"{100 * (after / before - 1):+.1f}%"
