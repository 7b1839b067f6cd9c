"""Times from raw samples: one figure a launch, then the median over launches."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from bench.analysis.launch import launch_time, rule_for
from bench.analysis.rows import ROW_KEYS, Row
from bench.analysis.statistics import median_interval
from bench.records.folder import Record

PHASES = ("step", "forward", "gradients")
SPREAD = 0.2
"""The interquartile range of a launch's samples over their median from which it is flagged."""
BUSY = 0.1
"""Processors working for others while the clock ran, from which a case is flagged."""

STOLEN = 0.02
"""Processors that the host of a virtual machine took away, from which a case is flagged."""

SPEED = (
    *ROW_KEYS,
    *("threads", "rank", "relative", "launches"),
    *(f"{phase}_{part}" for phase in PHASES for part in ("s", "low_s", "high_s")),
    *("first_call_s", "open_s", "sequences_per_s", "gflops", "product_share"),
    *("process_growth_bytes", "device_peak_bytes", "executed_path"),
    *("flags", "spread", "others_busy", "step_launches_s"),
)
FLAGS: Mapping[str, str] = {
    "w": "the warm-up did not settle within its time",
    "s": f"samples of a launch spread widely: interquartile range over {SPREAD:.0%} of the median",
    "l": f"the machine was loaded: others kept more than {BUSY:g} of a processor busy meanwhile",
    "h": "held back: a processor or GPU was throttled, or the host took more than "
    f"{STOLEN:.0%} of one away",
    "c": "copies to NumPy are inside the clock: the backend offers no native calls",
    "e": "launches ran in different environments",
    "f": "fell back: the kernel that ran is not the one that the backend stands for",
    "i": "inference only: outputs and states are proven equal, and there are no gradients",
}


def spread(samples: Sequence[float]) -> float:
    """Interquartile range over the median."""
    low, middle, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return float((high - low) / middle)


def is_whole(record: Record) -> bool:
    """Whether every phase has samples, all of them numbers; of a backend that does not train,
    the forward pass."""
    inference = record.metrics.get("first_step_s") is None
    phases = [record.samples.get(phase, ()) for phase in (PHASES[1:2] if inference else PHASES)]
    return all(len(samples) > 0 and np.isfinite(samples).all() for samples in phases)


def timed(
    row: Row, infos: Mapping[str, Mapping[str, Any]], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """One entry for each number of threads that the row was timed with."""
    by_threads: dict[int, list[Record]] = {}
    for record in row.measured("speed"):
        if is_whole(record):
            by_threads.setdefault(record.case["threads"], []).append(record)
    info = infos.get(row.run, {})
    return [
        {**row.keys, "threads": threads, **_entry(row, launches, info, rng)}
        for threads, launches in sorted(by_threads.items())
    ]


def _entry(
    row: Row, launches: Sequence[Record], info: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    entry: dict[str, Any] = {"launches": len(launches)}
    for phase in PHASES:
        figures = [launch_time(r.samples.get(phase, ()), rule_for(row.device)) for r in launches]
        known = np.isfinite(figures).all()
        low, high = (median_interval(figures, rng) if known else None) or (None, None)
        entry |= {f"{phase}_s": median(figures), f"{phase}_low_s": low, f"{phase}_high_s": high}
        entry |= {"step_launches_s": tuple(figures)} if phase == "step" else {}
    step = entry["step_s"]
    firsts = (f"first_{phase}_s" for phase in PHASES if phase in launches[0].samples)
    entry["first_call_s"] = _middle(launches, *firsts)
    entry["open_s"] = _middle(launches, "open_s")
    batch, flop = row.settings.get("batch"), _middle(launches, "flop_step")
    yardstick = _middle(launches, "product_gflops")
    entry["sequences_per_s"] = None if batch is None else batch / step
    entry["gflops"] = None if flop is None else flop / step / 1e9
    if entry["gflops"] is not None and yardstick is not None:
        entry["product_share"] = entry["gflops"] / yardstick
    return entry | _memory(row) | _conditions(launches, info)


def _memory(row: Row) -> dict[str, Any]:
    found: Mapping[str, Any] = next((r.metrics for r in row.measured("memory")), {})
    return {
        "process_growth_bytes": found.get("process_growth"),
        "device_peak_bytes": found.get("device_peak"),
    }


def _conditions(launches: Sequence[Record], info: Mapping[str, Any]) -> dict[str, Any]:
    """The path that ran, and what speaks against trusting the times."""
    others = [busy for r in launches if (busy := r.metrics.get("others_busy")) is not None]
    phases = [phase for phase in PHASES if phase in launches[0].samples]
    widest = max(spread(r.samples[phase]) for r in launches for phase in phases)
    warm = [r.metrics.get(f"{phase}_warmed_up") for r in launches for phase in phases]
    raised = {
        "w": 0.0 in warm,
        "s": widest > SPREAD,
        "l": max(others, default=0.0) > BUSY,
        "h": any(map(_held_back, launches)),
        "c": any(r.metrics.get("native_calls") == 0 for r in launches),
        "e": len({r.environment for r in launches}) > 1,
        "f": fell_back(launches, info),
        "i": "step" not in phases,
    }
    return {
        "executed_path": executed_path(launches, info),
        "flags": "".join(flag for flag, is_up in raised.items() if is_up),
        "spread": widest,
        "others_busy": max(others, default=None),
    }


def _held_back(record: Record) -> bool:
    limits = {"stolen": STOLEN, "throttled": 0.0, "gpu_throttled": 0.0}
    return any((record.metrics.get(name) or 0.0) > limit for name, limit in limits.items())


def executed_path(found: Sequence[Record], info: Mapping[str, Any]) -> str | None:
    """The kernels that ran, and where they are not those that the backend stands for, which
    those would have been: `aten, not onednn`."""
    words = [ran if ran == meant else f"{ran}, not {meant}" for ran, meant in _paths(found, info)]
    return " / ".join(words) or None


def fell_back(found: Sequence[Record], info: Mapping[str, Any]) -> bool:
    return any(ran != meant for ran, meant in _paths(found, info))


def _paths(found: Sequence[Record], info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each pair of the path that ran and the path that was meant (the same where the backend
    does not say what it stands for), once."""
    known = info.get("environments", {})
    told = [known.get(r.environment, {}) for r in found]
    pairs = [(e.get("executed_path"), e.get("expected_path")) for e in told]
    return list(dict.fromkeys((ran, meant or ran) for ran, meant in pairs if ran))


def _middle(launches: Sequence[Record], *names: str) -> float | None:
    """The median over launches of the sum of these metrics; None where one is missing."""
    values = [[r.metrics.get(name) for name in names] for r in launches]
    sums = [sum(known) for v in values if len(known := [x for x in v if x is not None]) == len(v)]
    return median(sums) if len(sums) == len(launches) else None
