"""The latency table as text, in microseconds."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from bench.report.speed_words import row_names
from bench.report.words import (
    DASH,
    format_columns,
    format_counts,
    format_flags,
    format_interval,
    format_number,
    format_rank,
)

LATENCY = (
    "Latency: one call of advance, a step of a running sequence at batch 1 with its state carried, "
    "from a NumPy array to a NumPy array. Each of {calls} calls a launch "
    "is timed. Paced: with a pause of 1 ms before each call. Window: one call of predict over the "
    "sequence of the task, at batch 1. Backends are ranked by p50; p99 hardly repeats."
)


def latency_words(rows: pd.DataFrame) -> pd.DataFrame:
    """The latencies of `ranked_rows`."""
    return format_columns(
        rows,
        {
            **row_names(rows),
            "rank": lambda r: format_rank(r.rank_best, r.rank_worst),
            "backend": lambda r: r.backend,
            "advance p50 (µs)": _microseconds(""),
            "× fastest": lambda r: format_number(r.relative),
            "advance p99 (µs)": _microseconds("p99_"),
            "paced p50 (µs)": _microseconds("paced_p50_"),
            "paced p99 (µs)": _microseconds("paced_p99_"),
            "window (µs)": _microseconds("window_"),
            "first call (s)": lambda r: format_number(r.first_call_s, 2),
            "path": lambda r: r.executed_path or DASH,
            "flags": format_flags,
        },
    )


def latency_note(frame: pd.DataFrame) -> str:
    """How the figures of the table were measured."""
    return LATENCY.format(calls=format_counts(frame["calls"]))


def _microseconds(prefix: str) -> Callable[[Any], str]:
    """A figure, with its range or interval where there is one."""

    def text(row: Any) -> str:
        value = format_number(getattr(row, f"{prefix}s") * 1e6)
        low, high = getattr(row, f"{prefix}low_s"), getattr(row, f"{prefix}high_s")
        return value if pd.isna(low) else f"{value} [{format_interval(low, high, 1e6)}]"

    return text
