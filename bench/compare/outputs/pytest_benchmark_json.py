"""The times of one side as pytest-benchmark stores them; `pytest-benchmark compare` reads them."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.rows import row_label
from bench.compare.matching import SideRecords, assign_run, measured_rows
from bench.compare.outcomes import times_by_phase
from bench.records.record import Record

LaunchTimes = Mapping[tuple[str, str], Sequence[float]]
"""Seconds a call, one for each launch, by row and phase."""


def launch_times(records: Iterable[Record]) -> dict[tuple[str, str], list[float]]:
    """The times of one side, by row and phase. If one time is not finite, the row's phase is left
    out."""
    times: dict[tuple[str, str], list[float]] = {}
    for row in measured_rows(assign_run(records, "")):
        for record in row.measured("speed"):
            for phase, launch in times_by_phase(record).items():
                times.setdefault((row_label(row.keys), phase), []).append(launch.seconds)
    return {key: seconds for key, seconds in times.items() if np.isfinite(seconds).all()}


def side_json(name: str, side: SideRecords) -> dict[str, Any]:
    """The stored file of one side; `name` is "base" or "head"."""
    return pytest_benchmark(name, launch_times(side.records), side.info)


def pytest_benchmark(name: str, times: LaunchTimes, info: Mapping[str, Any]) -> dict[str, Any]:
    """The stored file of these times: a launch is what pytest-benchmark calls a round. `info` is
    the `run.json` of the side."""
    machine = info.get("machine") or {}
    return {
        "machine_info": {
            "node": platform.node(),
            "system": machine.get("system"),
            "python_version": (info.get("versions") or {}).get("python"),
            "cpu": {"brand_raw": machine.get("processor"), "count": machine.get("cores")},
        },
        "commit_info": {"id": info.get("commit"), "dirty": bool(info.get("changed"))},
        "benchmarks": [
            _benchmark(label, phase, seconds, info.get("side", name))
            for (label, phase), seconds in times.items()
        ],
        "datetime": pd.Timestamp.now("UTC").isoformat(),
        "version": "5.0.0",
    }


def _benchmark(label: str, phase: str, seconds: Sequence[float], side: str) -> dict[str, Any]:
    return {
        "group": label,
        "name": f"{phase}[{label}]",
        "fullname": f"recurrent-bench::{phase}[{label}]",
        "params": None,
        "param": label,
        "extra_info": {"side": side},
        "options": {"timer": "perf_counter", "warmup": True},
        "stats": _stats(seconds),
    }


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    """The statistics that pytest-benchmark stores; outliers are beyond one standard deviation of
    the mean, and beyond 1.5 interquartile ranges of the quartiles."""
    x = np.sort(np.asarray(seconds, dtype=np.float64))
    q1, middle, q3 = (float(q) for q in np.quantile(x, (0.25, 0.5, 0.75), method="hazen"))
    mean, deviation = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else 0.0
    inside = x[(x >= q1 - 1.5 * (q3 - q1)) & (x <= q3 + 1.5 * (q3 - q1))]
    deviating, outside = int((np.abs(x - mean) > deviation).sum()), len(x) - len(inside)
    return {
        "min": float(x[0]),
        "max": float(x[-1]),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(x),
        "median": middle,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": deviating,
        "outliers": f"{deviating};{outside}",
        "ld15iqr": float(inside[0]),
        "hd15iqr": float(inside[-1]),
        "ops": 1 / mean,
        "total": float(x.sum()),
        "iterations": 1,
    }
