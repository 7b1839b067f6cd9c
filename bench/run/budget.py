"""Chooses the launches that use up a time budget, for the cases with the widest intervals."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.launch import launch_time, rule_for
from bench.analysis.statistics import median_interval
from bench.plan.case import Case, ProcessKey, model_key
from bench.plan.probes import FLOOR_PREFIX, TIMED_PROBES
from bench.plan.units import Unit
from bench.records.record import Record

NARROW = 0.005
"""An interval of at most this width, over its median, needs no more launches."""
SHARE = 0.5
"""A case joins the next launch of its process where its interval is at least this share of the
process's widest one."""


@dataclass(frozen=True)
class IntervalWidth:
    """The widest interval of a timed case, among its phases."""

    case: Case
    """The case of the last launch."""
    relative: float
    """The width over the median; infinite where there are too few launches for an interval."""
    seconds: float
    """The wall-clock time of the last launch."""


def next_launch(
    records: Iterable[Record], seconds_left: float, rng: np.random.Generator, start_s: float
) -> Unit | None:
    """The launch to run next, of the process with the widest interval that fits into the time.

    The launch holds the cases of the process whose intervals are about as wide, in a random order.
    `start_s` is the expected time to start a process. None where all intervals are narrow, or no
    launch fits.
    """
    processes: dict[ProcessKey, list[IntervalWidth]] = {}
    for width in interval_widths(records):
        processes.setdefault(width.case.process_key, []).append(width)
    for process, widths in sorted(processes.items(), key=lambda item: -_widest(item[1])):
        if _widest(widths) <= NARROW:
            return None
        chosen = [width for width in widths if width.relative >= SHARE * _widest(widths)]
        if start_s + sum(width.seconds for width in chosen) <= seconds_left:
            launch = 1 + max(width.case.launch or 0 for width in widths)
            cases = [replace(width.case, launch=launch) for width in chosen]
            order = rng.permutation(len(cases))
            return Unit(*process, timed=True, cases=tuple(cases[k] for k in order))
    return None


def interval_widths(records: Iterable[Record]) -> list[IntervalWidth]:
    """The interval widths of all timed cases whose launches all succeeded."""
    launches: dict[str, list[Record]] = {}
    for record in records:
        if record.probe in TIMED_PROBES:
            case = record.case
            key = f"{model_key(case)} {case['threads']} {case.get('phases')}"
            launches.setdefault(key, []).append(record)
    complete = [group for group in launches.values() if all(r.status == "ok" for r in group)]
    return [_interval_width(group) for group in complete]


def _interval_width(launches: Sequence[Record]) -> IntervalWidth:
    last = max(launches, key=lambda record: record.case["launch"])
    timed = [name for name in last.samples if not name.startswith(FLOOR_PREFIX)]
    phases = [[r.samples.get(phase, ()) for r in launches] for phase in timed]
    widest = max((_relative_width(p, last.case["device"]) for p in phases), default=0.0)
    return IntervalWidth(Case.from_flat(last.case), widest, last.wall_s)


def _relative_width(samples: Sequence[Sequence[float]], device: str) -> float:
    """The interval's width over the median of one phase; `samples` holds one list a launch."""
    times = [launch_time(launch, rule_for(device)) for launch in samples]
    interval = median_interval(times)
    if interval is None:
        return math.inf
    return (interval[1] - interval[0]) / float(np.median(times))


def _widest(widths: Sequence[IntervalWidth]) -> float:
    return max(width.relative for width in widths)
