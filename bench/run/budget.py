"""Where more launches are worth their time: on the cells whose intervals are the widest."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.launch import launch_time, rule_for
from bench.analysis.statistics import median_interval
from bench.plan.case import Case, model_key
from bench.plan.probes import TIMED_PROBES
from bench.plan.units import Unit
from bench.records.record import Record

NARROW = 0.005
"""The width of an interval, over the median, that needs no more launches."""
SHARE = 0.5
"""Cells of a process join its next launch from this share of its widest interval on."""

Process = tuple[str, str, int]
"""Backend, device and threads: what shares a launch."""


@dataclass(frozen=True)
class Width:
    """How wide the widest interval of a case is over its median, of all phases, and what its last
    launch took."""

    case: Case
    relative: float
    seconds: float


def next_launch(
    records: Iterable[Record], seconds_left: float, rng: np.random.Generator, start_s: float
) -> Unit | None:
    """The launch to run next: of the process that has the widest interval, with its cells that
    are about as wide; None where all are narrow or none fits into the time that is left."""
    groups: dict[Process, list[Width]] = {}
    for width in widths(records, rng):
        case = width.case
        groups.setdefault((case.backend, case.device, case.threads), []).append(width)
    for process, found in sorted(groups.items(), key=lambda g: -_widest(g[1])):
        if _widest(found) <= NARROW:
            return None
        chosen = [w for w in found if w.relative >= SHARE * _widest(found)]
        if start_s + sum(w.seconds for w in chosen) <= seconds_left:
            launch = 1 + max(w.case.launch or 0 for w in found)
            cases = [replace(w.case, launch=launch) for w in chosen]
            order = rng.permutation(len(cases))
            return Unit(*process, timed=True, cases=tuple(cases[k] for k in order))
    return None


def widths(records: Iterable[Record], rng: np.random.Generator) -> list[Width]:
    """Of each case that was timed and has not failed; infinite where it has too few launches for
    an interval. The case is that of its last launch."""
    timed: dict[str, list[Record]] = {}
    for record in records:
        if record.probe in TIMED_PROBES:
            key = f"{model_key(record.case)} {record.case['threads']}"
            timed.setdefault(key, []).append(record)
    sound = [found for found in timed.values() if all(r.status == "ok" for r in found)]
    return [_width(launches, rng) for launches in sound]


def _width(launches: Sequence[Record], rng: np.random.Generator) -> Width:
    last = max(launches, key=lambda record: record.case["launch"])
    phases = [[r.samples.get(phase, ()) for r in launches] for phase in last.samples]
    widest = max((_relative(p, last.case["device"], rng) for p in phases), default=0.0)
    return Width(Case.from_flat(last.case), widest, last.wall_s)


def _relative(samples: Sequence[Sequence[float]], device: str, rng: np.random.Generator) -> float:
    figures = [launch_time(launch, rule_for(device)) for launch in samples]
    interval = median_interval(figures, rng)
    if interval is None:
        return math.inf
    return (interval[1] - interval[0]) / float(np.median(figures))


def _widest(found: Sequence[Width]) -> float:
    return max(width.relative for width in found)
