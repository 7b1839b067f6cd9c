"""The speed table as text, with times in milliseconds and memory in MiB."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from bench.report.words import (
    DASH,
    INTERVAL,
    format_columns,
    format_flags,
    format_interval,
    format_number,
)


def speed_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Times and memory; in each cell the fastest backend comes first."""
    several_threads = frame["threads"].nunique() > 1
    return format_columns(
        frame,
        {
            "cell": lambda r: r.cell,
            **({"threads": lambda r: str(r.threads)} if several_threads else {}),
            "rank": lambda r: DASH if pd.isna(r.rank) else f"{r.rank:.0f}",
            "backend": lambda r: r.backend,
            **_phase_columns("step"),
            "× fastest": lambda r: format_number(r.relative),
            **_phase_columns("forward"),
            **_phase_columns("gradients"),
            "first calls (s)": lambda r: format_number(r.first_call_s, 2),
            "open (s)": lambda r: format_number(r.open_s, 2),
            "sequences/s": lambda r: format_number(r.sequences_per_s),
            "GFLOP/s": lambda r: format_number(r.gflops),
            "of product": _product_share,
            "memory (MiB)": _memory,
            "path": lambda r: r.executed_path or DASH,
            "flags": format_flags,
        },
    )


def _phase_columns(phase: str) -> dict[str, Callable[[Any], str]]:
    """The median of a phase and its interval."""

    def time(row: Any) -> str:
        return format_number(getattr(row, f"{phase}_s") * 1e3)

    def interval(row: Any) -> str:
        return format_interval(getattr(row, f"{phase}_low_s"), getattr(row, f"{phase}_high_s"), 1e3)

    return {f"{phase} (ms)": time, f"{phase}{INTERVAL}": interval}


def _product_share(row: Any) -> str:
    """The GFLOP/s as a share of the rate of one product of large matrices on the same threads."""
    return DASH if pd.isna(row.product_share) else f"{row.product_share:.0%}"


def _memory(row: Any) -> str:
    """The peak of the framework's allocator on a GPU; on a CPU the growth of the process."""
    size = row.process_growth_bytes if row.device == "cpu" else row.device_peak_bytes
    return DASH if size is None or pd.isna(size) else format_number(size / 2**20)
