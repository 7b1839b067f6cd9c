"""The latency of one step of a running sequence, ranked: the phase `advance` of the speed probe."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.executed_path import executed_path
from bench.analysis.flags import speed_flags
from bench.analysis.rows import ROW_KEYS, TABLE_KEYS, Row
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
UNRANKED = "wlh"
"""A row with one of these flags has no rank: the machine was loaded or held back, or the warm-up
did not settle."""
LATENCY_COLUMNS = (
    *ROW_KEYS,
    *("threads", "rank", "relative", "launches", "calls"),
    *(f"{name}_{bound}" for name in FIGURES for bound in ("s", "low_s", "high_s")),
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
    between the least and the greatest of them (`low`, `high`).

    Backends that ran the same model on the same device with the same number of threads are ranked
    by p50. The rank is one more than the number of backends whose launches were all faster, so
    that backends whose ranges overlap may share one; with a single launch there are no ranges and
    no ranks. `infos` holds the content of `run.json`, by run.
    """
    entries = [e for row in rows if not row.unproven for e in _entries(row, infos)]
    frame = pd.DataFrame(entries, columns=list(LATENCY_COLUMNS))
    groups = frame.groupby([*TABLE_KEYS, "cell", "threads"], sort=False)
    frame["relative"] = frame["p50_s"] / groups["p50_s"].transform("min")
    frame["group"] = groups.ngroup()
    frame["rank"] = pd.concat([_ranks(group) for _, group in groups]) if entries else None
    frame["rank"] = frame["rank"].astype("Int64")
    frame = frame.sort_values(["group", "p50_s"], kind="stable", ignore_index=True)
    return frame.drop(columns="group")


def _ranks(group: pd.DataFrame) -> "pd.Series[Any]":
    """The rank of each row of a group; missing where a row is not ranked."""
    ranked = group[~group["flags"].str.contains(f"[{UNRANKED}]") & (group["launches"] > 1)]
    faster = [(ranked["p50_high_s"] < low).sum() for low in ranked["p50_low_s"]]
    return pd.Series(faster, ranked.index, "Int64").add(1).reindex(group.index)


def _entries(row: Row, infos: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each number of threads, still without its rank."""
    by_threads: dict[int, list[Record]] = {}
    for record in row.measured("speed"):
        if times_advance(record) and has_latencies(record):
            by_threads.setdefault(record.case["threads"], []).append(record)
    info = infos.get(row.run, {})
    return [
        {**row.keys, "threads": threads, **_entry(launches, info)}
        for threads, launches in sorted(by_threads.items())
    ]


def _entry(launches: Sequence[Record], info: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "launches": len(launches),
        "calls": min(len(r.samples[ADVANCE]) for r in launches),
        "first_call_s": _median_metric(launches, f"first_{ADVANCE}_s"),
        "executed_path": executed_path(launches, info),
        "flags": speed_flags(launches, (ADVANCE,), info),
    }
    for name, (samples, percentile) in FIGURES.items():
        seconds = [float(np.percentile(r.samples[samples], percentile)) for r in launches]
        entry |= {f"{name}_s": median(seconds)}
        entry |= {f"{name}_low_s": min(seconds), f"{name}_high_s": max(seconds)}
    return entry


def _median_metric(launches: Sequence[Record], name: str) -> float | None:
    values = [value for r in launches if (value := r.metrics.get(name)) is not None]
    return median(values) if values else None
