"""The latency table as text, in microseconds."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from bench.report.words import (
    DASH,
    format_columns,
    format_flags,
    format_interval,
    format_number,
)

LATENCY = (
    "Latency: one call of advance, a step of a running sequence at batch 1 with its state carried, "
    "on {threads} threads, from a NumPy array to a NumPy array. Each of {calls} calls a launch "
    "is timed. Paced: with a pause of 1 ms before each call. Window: one call of predict over the "
    "sequence of the task, at batch 1. Each figure is the median over the launches (fresh "
    "processes; here {launches}), with their range in brackets: p99 hardly repeats. A rank is one "
    "more than the number of backends whose launches were all faster. Rows that are loaded or "
    "unsettled have none, and nor have those with a single launch."
)


def latency_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Latencies; in each cell the fastest backend comes first."""
    several_threads = frame["threads"].nunique() > 1
    return format_columns(
        frame,
        {
            "cell": lambda r: r.cell,
            **({"threads": lambda r: str(r.threads)} if several_threads else {}),
            "rank": lambda r: DASH if pd.isna(r.rank) else f"{r.rank:.0f}",
            "backend": lambda r: r.backend,
            "advance p50 (µs)": _microseconds("p50"),
            "× fastest": lambda r: format_number(r.relative),
            "advance p99 (µs)": _microseconds("p99"),
            "paced p50 (µs)": _microseconds("paced_p50"),
            "paced p99 (µs)": _microseconds("paced_p99"),
            "window (µs)": _microseconds("window"),
            "first call (s)": lambda r: format_number(r.first_call_s, 2),
            "path": lambda r: r.executed_path or DASH,
            "flags": format_flags,
        },
    )


def latency_note(frame: pd.DataFrame) -> str:
    """How the figures of the table were measured."""
    threads = " or ".join(str(count) for count in sorted(set(frame["threads"])))
    calls, launches = _range(frame["calls"]), _range(frame["launches"])
    return LATENCY.format(threads=threads, calls=calls, launches=launches)


def _microseconds(name: str) -> Callable[[Any], str]:
    """A figure, with the range of its launches where there are several."""

    def text(row: Any) -> str:
        value = format_number(getattr(row, f"{name}_s") * 1e6)
        bounds = getattr(row, f"{name}_low_s"), getattr(row, f"{name}_high_s")
        return f"{value} [{format_interval(*bounds, 1e6)}]" if row.launches > 1 else value

    return text


def _range(counts: "pd.Series[int]") -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
