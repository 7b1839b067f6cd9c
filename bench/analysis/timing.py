"""Times of a row: one figure a launch from its raw samples, then the median over launches."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.executed_path import executed_path
from bench.analysis.flags import others_busy, speed_flags, widest_spread
from bench.analysis.latency import has_latencies, times_advance
from bench.analysis.launch import launch_time, rule_for
from bench.analysis.rows import ROW_KEYS, Row
from bench.analysis.statistics import median_interval
from bench.records.record import Record

TABLE_PHASES = ("step", "forward", "gradients")
"""The timed phases in the order of the tables: the step, which ranks the backends, first."""
SPEED_COLUMNS = (
    *ROW_KEYS,
    *("threads", "rank", "relative", "launches"),
    *(f"{phase}_{bound}" for phase in TABLE_PHASES for bound in ("s", "low_s", "high_s")),
    *("first_call_s", "open_s", "sequences_per_s", "gflops", "product_share"),
    *("process_growth_bytes", "device_peak_bytes", "executed_path"),
    *("flags", "spread", "others_busy", "step_launches_s"),
)


def has_all_samples(record: Record) -> bool:
    """Whether every phase has samples and all are finite. For a backend that does not train, the
    forward pass is the only phase."""
    if times_advance(record):
        return has_latencies(record)
    forward_only = record.metrics.get("first_step_s") is None
    phases = ("forward",) if forward_only else TABLE_PHASES
    samples = [record.samples.get(phase, ()) for phase in phases]
    return all(len(times) > 0 and np.isfinite(times).all() for times in samples)


def timing_entries(
    row: Row, infos: Mapping[str, Mapping[str, Any]], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """One entry of the speed table for each number of threads with which the row was timed, still
    without its rank. `infos` holds the content of `run.json`, by run."""
    by_threads: dict[int, list[Record]] = {}
    for record in row.measured("speed"):
        if has_all_samples(record) and not times_advance(record):
            by_threads.setdefault(record.case["threads"], []).append(record)
    info = infos.get(row.run, {})
    return [
        {**row.keys, "threads": threads, **_entry(row, launches, info, rng)}
        for threads, launches in sorted(by_threads.items())
    ]


def _entry(
    row: Row, launches: Sequence[Record], info: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    times = _times(launches, row.device, rng)
    return {
        "launches": len(launches),
        **times,
        **_rates(times["step_s"], launches, row.settings.get("batch")),
        **_memory(row),
        **_conditions(launches, info),
    }


def _times(launches: Sequence[Record], device: str, rng: np.random.Generator) -> dict[str, Any]:
    """Median over launches of each phase with its interval, in seconds; the step times of all
    launches; the time of the first calls and of opening the session."""
    entry: dict[str, Any] = {}
    for phase in TABLE_PHASES:
        times = [launch_time(r.samples.get(phase, ()), rule_for(device)) for r in launches]
        low, high = median_interval(times, rng) or (None, None)
        entry |= {f"{phase}_s": median(times), f"{phase}_low_s": low, f"{phase}_high_s": high}
        if phase == "step":
            entry["step_launches_s"] = tuple(times)
    first_calls = (f"first_{phase}_s" for phase in _timed_phases(launches))
    entry["first_call_s"] = _median_sum(launches, *first_calls)
    entry["open_s"] = _median_sum(launches, "open_s")
    return entry


def _rates(step_s: float, launches: Sequence[Record], batch: int | None) -> dict[str, float | None]:
    """Work a second at this step time: sequences, GFLOP, and the share of the GFLOP/s that one
    product of two large matrices reaches in the same launches."""
    operations = _median_sum(launches, "flop_step")
    product = _median_sum(launches, "product_gflops")
    gflops = None if operations is None else operations / step_s / 1e9
    return {
        "sequences_per_s": None if batch is None else batch / step_s,
        "gflops": gflops,
        "product_share": None if gflops is None or product is None else gflops / product,
    }


def _memory(row: Row) -> dict[str, float | None]:
    metrics: Mapping[str, Any] = next((r.metrics for r in row.measured("memory")), {})
    return {
        "process_growth_bytes": metrics.get("process_growth"),
        "device_peak_bytes": metrics.get("device_peak"),
    }


def _conditions(launches: Sequence[Record], info: Mapping[str, Any]) -> dict[str, Any]:
    """The kernel that ran, and the reasons to read the times with care."""
    phases = _timed_phases(launches)
    return {
        "executed_path": executed_path(launches, info),
        "flags": speed_flags(launches, phases, info),
        "spread": widest_spread(launches, phases),
        "others_busy": others_busy(launches),
    }


def _timed_phases(launches: Sequence[Record]) -> list[str]:
    return [phase for phase in TABLE_PHASES if phase in launches[0].samples]


def _median_sum(launches: Sequence[Record], *names: str) -> float | None:
    """The median over launches of the sum of these metrics; None if a launch lacks one."""
    sums = []
    for launch in launches:
        values = [v for name in names if (v := launch.metrics.get(name)) is not None]
        if len(values) < len(names):
            return None
        sums.append(sum(values))
    return median(sums)
