"""The speed tables as text: one for each timed phase, and one of starts, memory and kernels."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from bench.plan.probes import PHASE_NAMES
from bench.report.words import (
    DASH,
    format_columns,
    format_counts,
    format_flags,
    format_interval,
    format_number,
    format_rank,
    spread_column,
    spread_name,
)

_RATES: Mapping[str, Callable[[Any], str]] = {
    "sequences/s": lambda r: format_number(r.sequences_per_s),
    "GFLOP/s": lambda r: format_number(r.gflops),
}


def phase_words(rows: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The `ranked_rows` of a phase with their ranks and times."""
    counts, name = rows["launches"], PHASE_NAMES[phase]
    return format_columns(
        rows,
        {
            **row_names(rows),
            "rank": lambda r: format_rank(r.rank_best, r.rank_worst),
            "backend": lambda r: r.backend,
            f"{name} (ms)": lambda r: format_number(1e3 * r.s),
            spread_column(name, counts): lambda r: format_interval(r.low_s, r.high_s, 1e3),
            "× fastest": lambda r: format_number(r.relative),
            "× floor": lambda r: format_number(r.over_floor),
            **({"launches": lambda r: str(r.launches)} if counts.nunique() > 1 else {}),
            **(_RATES if phase == "step" else {}),
            "flags": format_flags,
        },
    )


def start_words(frame: pd.DataFrame) -> pd.DataFrame:
    """What a session needs before its first result, its memory, and the kernel that ran."""
    return format_columns(
        frame,
        {
            **row_names(frame),
            "backend": lambda r: r.backend,
            "first calls (s)": lambda r: format_number(r.first_call_s, 2),
            "open (s)": lambda r: format_number(r.open_s, 2),
            "memory (MiB)": _memory,
            "path": lambda r: r.executed_path or DASH,
            "flags": format_flags,
        },
    )


def time_caption(rows: pd.DataFrame) -> str:
    """`On 2 threads of AMD EPYC, 2 cores; median and range of 3 launches.`, for `ranked_rows`."""
    counts, threads = rows["launches"], " or ".join(map(str, sorted(set(rows["threads"]))))
    machines = " or ".join(dict.fromkeys(rows["machine"].dropna())) or "an unrecorded machine"
    where = f"On {threads} thread{'s' * (threads != '1')} of {machines}"
    if set(counts) == {1}:
        return f"{where}; one launch."
    median = " and ".join(filter(None, ["median", spread_name(counts)]))
    return f"{where}; {median} of {format_counts(counts)} launches."


def row_names(frame: pd.DataFrame) -> dict[str, Callable[[Any], str]]:
    """The cell and, where there are several numbers of threads, the threads."""
    several = frame["threads"].nunique() > 1
    return {"cell": lambda r: r.cell} | ({"threads": lambda r: str(r.threads)} if several else {})


def _memory(row: Any) -> str:
    """The peak of the framework's allocator on a GPU; on a CPU the growth of the process."""
    size = row.process_growth_bytes if row.device == "cpu" else row.device_peak_bytes
    return DASH if size is None or pd.isna(size) else format_number(size / 2**20)
