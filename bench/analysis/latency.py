"""The latency of one step of a running sequence, ranked: the phase `advance` of the speed probe."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.executed_path import executed_path
from bench.analysis.flags import speed_flags, widest_spread
from bench.analysis.machine_name import machine_name
from bench.analysis.ranks import RANKED_KEYS, rank_rows, time_columns
from bench.analysis.rows import ROW_KEYS, Row
from bench.analysis.statistics import median_interval
from bench.plan.probes import ADVANCE
from bench.records.record import Record

SAMPLES = (ADVANCE, f"{ADVANCE}_paced", "window")
"""The samples of a launch: seconds of every call."""
FIGURES: Mapping[str, tuple[str, int]] = {
    "p50": (ADVANCE, 50),
    "p99": (ADVANCE, 99),
    "paced_p50": (f"{ADVANCE}_paced", 50),
    "paced_p99": (f"{ADVANCE}_paced", 99),
    "window": ("window", 50),
}
"""The samples and the percentile of each figure."""
LATENCY_COLUMNS = (
    *ROW_KEYS,
    *("machine", "threads", "calls", *time_columns("p50")),
    *(f"{name}_{bound}" for name in [*FIGURES][1:] for bound in ("s", "low_s", "high_s")),
    *("first_call_s", "executed_path", "flags"),
)


def times_advance(record: Record) -> bool:
    """Whether a record of the speed probe is one of the phase `advance`."""
    return record.case.get("phases") == ADVANCE


def has_latencies(record: Record) -> bool:
    """Whether a record has samples of everything that the phase `advance` times, all finite."""
    samples = [record.samples.get(name, ()) for name in SAMPLES]
    return all(len(seconds) > 0 and np.isfinite(seconds).all() for seconds in samples)


def latency_table(rows: Sequence[Row], infos: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Latencies in seconds of the rows with proven parity: each figure is the median over launches,
    with its range or interval (`low`, `high`). Backends that ran the same model on the same device
    with the same number of threads are ranked by p50; see `rank_rows`. `infos` holds the content
    of `run.json`, by run."""
    entries = [e for row in rows if not row.unproven for e in _entries(row, infos)]
    frame = pd.DataFrame(entries, columns=list(LATENCY_COLUMNS))
    rank_rows(frame, "p50")
    group = frame.groupby(list(RANKED_KEYS), sort=False).ngroup()
    frame = frame.assign(group=group).sort_values(["group", "p50_s"], kind="stable")
    return frame.drop(columns="group").reset_index(drop=True)


def _entries(row: Row, infos: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each number of threads, still without its rank."""
    by_threads: dict[int, list[Record]] = {}
    for record in row.measured("speed"):
        if times_advance(record) and has_latencies(record):
            by_threads.setdefault(record.case["threads"], []).append(record)
    info = infos.get(row.run, {})
    return [
        {
            **row.keys,
            "machine": machine_name(launches, info, row.device),
            "threads": threads,
            **_entry(row, launches, info),
        }
        for threads, launches in sorted(by_threads.items())
    ]


def _entry(row: Row, launches: Sequence[Record], info: Mapping[str, Any]) -> dict[str, Any]:
    spread = widest_spread(launches, ADVANCE)
    flags = speed_flags(row, launches, (ADVANCE,), spread, info)
    entry: dict[str, Any] = {
        "calls": min(len(r.samples[ADVANCE]) for r in launches),
        "first_call_s": _median_metric(launches, f"first_{ADVANCE}_s"),
        "executed_path": executed_path(launches, info),
        "flags": flags,
        "p50_flags": flags,
    }
    for name, (samples, percentile) in FIGURES.items():
        seconds = [float(np.percentile(r.samples[samples], percentile)) for r in launches]
        low, high = median_interval(seconds) or (None, None)
        entry |= {f"{name}_s": median(seconds), f"{name}_low_s": low, f"{name}_high_s": high}
        if name == "p50":
            entry |= {"p50_launches": len(seconds), "p50_launches_s": tuple(seconds)}
    return entry


def _median_metric(launches: Sequence[Record], name: str) -> float | None:
    values = [value for r in launches if (value := r.metrics.get(name)) is not None]
    return median(values) if values else None
