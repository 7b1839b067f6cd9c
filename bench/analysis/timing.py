"""Times of a row: one figure a launch from its raw samples, then the median over launches."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.executed_path import executed_path
from bench.analysis.flags import others_busy, speed_flags, widest_spread
from bench.analysis.latency import has_latencies, times_advance
from bench.analysis.launch import launch_time, rule_for
from bench.analysis.machine_name import machine_name
from bench.analysis.ranks import time_columns
from bench.analysis.rows import ROW_KEYS, Row
from bench.analysis.statistics import median_interval
from bench.records.record import Record

TABLE_PHASES = ("step", "forward", "gradients")
"""The timed phases in the order of the tables."""
SPEED_COLUMNS = (
    *ROW_KEYS,
    *("machine", "threads"),
    *(column for phase in TABLE_PHASES for column in time_columns(phase)),
    *(f"{phase}_{column}" for phase in TABLE_PHASES for column in ("floor_s", "over_floor")),
    *("first_call_s", "open_s", "sequences_per_s", "gflops"),
    *("process_growth_bytes", "device_peak_bytes", "executed_path"),
    *("flags", "spread", "others_busy"),
)


def timed_phases(record: Record) -> list[str]:
    """The phases that this launch timed, in the order of the tables."""
    return [
        phase
        for phase in TABLE_PHASES
        if phase in record.samples or record.metrics.get(f"first_{phase}_s") is not None
    ]


def has_all_samples(record: Record) -> bool:
    """Whether every phase that the launch timed has samples, and all are finite."""
    if times_advance(record):
        return has_latencies(record)
    samples = [record.samples.get(phase, ()) for phase in timed_phases(record)]
    return bool(samples) and all(len(s) > 0 and np.isfinite(s).all() for s in samples)


def timing_entries(row: Row, infos: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry of the speed table for each number of threads with which the row was timed, still
    without its ranks and floors. `infos` holds the content of `run.json`, by run."""
    by_threads: dict[int, list[Record]] = {}
    for record in row.measured("speed"):
        if has_all_samples(record) and not times_advance(record):
            by_threads.setdefault(record.case["threads"], []).append(record)
    info = infos.get(row.run, {})
    return [
        {**row.keys, "threads": threads, **_entry(row, launches, info)}
        for threads, launches in sorted(by_threads.items())
    ]


def _entry(row: Row, launches: Sequence[Record], info: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"machine": machine_name(launches, info, row.device)}
    spreads = {}
    for phase in TABLE_PHASES:
        if timed := [launch for launch in launches if phase in launch.samples]:
            spreads[phase] = widest_spread(timed, phase)
            entry |= _phase_entry(row, phase, timed, spreads[phase], info)
        else:
            entry[f"{phase}_launches"] = 0
    return {
        **entry,
        **_first_calls(launches),
        **_rates(entry.get("step_s"), launches, row.settings.get("batch")),
        **_memory(row),
        **_conditions(row, launches, spreads, info),
    }


def _phase_entry(
    row: Row, phase: str, launches: Sequence[Record], spread: float, info: Mapping[str, Any]
) -> dict[str, Any]:
    """Median over launches of one phase with its interval, in seconds, and its flags."""
    times = [launch_time(r.samples[phase], rule_for(row.device)) for r in launches]
    low, high = median_interval(times) or (None, None)
    columns = {
        "s": median(times),
        "low_s": low,
        "high_s": high,
        "launches": len(times),
        "launches_s": tuple(times),
        "flags": speed_flags(row, launches, [phase], spread, info),
    }
    return {f"{phase}_{name}": value for name, value in columns.items()}


def _first_calls(launches: Sequence[Record]) -> dict[str, float | None]:
    """Seconds of opening a session, and of the first call of every phase."""
    first_calls = (f"first_{phase}_s" for phase in timed_phases(launches[0]))
    return {
        "first_call_s": _median_sum(launches, *first_calls),
        "open_s": _median_sum(launches, "open_s"),
    }


def _rates(
    step_s: float | None, launches: Sequence[Record], batch: int | None
) -> dict[str, float | None]:
    """Work a second at this time of an update: sequences, and GFLOP of matrix products."""
    if step_s is None:
        return {}
    operations = _median_sum(launches, "flop_step")
    return {
        "sequences_per_s": None if batch is None else batch / step_s,
        "gflops": None if operations is None else operations / step_s / 1e9,
    }


def _memory(row: Row) -> dict[str, float | None]:
    metrics: Mapping[str, Any] = next((r.metrics for r in row.measured("memory")), {})
    return {
        "process_growth_bytes": metrics.get("process_growth"),
        "device_peak_bytes": metrics.get("device_peak"),
    }


def _conditions(
    row: Row, launches: Sequence[Record], spreads: Mapping[str, float], info: Mapping[str, Any]
) -> dict[str, Any]:
    """The kernel that ran, and the reasons to read the times with care. `spreads` are those of the
    timed phases."""
    spread = max(spreads.values())
    return {
        "executed_path": executed_path(launches, info),
        "flags": speed_flags(row, launches, list(spreads), spread, info),
        "spread": spread,
        "others_busy": others_busy(launches),
    }


def _median_sum(launches: Sequence[Record], *names: str) -> float | None:
    """The median over launches of the sum of these metrics; None if a launch lacks one."""
    sums = []
    for launch in launches:
        values = [v for name in names if (v := launch.metrics.get(name)) is not None]
        if len(values) < len(names):
            return None
        sums.append(sum(values))
    return median(sums)
