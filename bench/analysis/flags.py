"""Flags: one letter for each reason to read the numbers of a row with care."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.analysis.executed_path import fell_back
from bench.analysis.rows import Row
from bench.analysis.statistics import sorted_quantile
from bench.plan.probes import ADVANCE
from bench.records.machine import machine_differences
from bench.records.record import Record

MAX_SPREAD = 0.2
"""Interquartile range of a launch's samples over their median; a wider one is flagged."""
MAX_OTHERS_BUSY = 0.1
"""Processors that other processes kept busy while the clock ran."""
MAX_STOLEN = 0.02
"""Processors that the host of a virtual machine took away while the clock ran."""
UNRANKED = "wlhqom"
"""With one of these flags a time is shown but not ranked: the warm-up did not settle, the machine
was loaded or held back, by a quota too, other code was timed than was proven equal, or the launches
ran on several machines or under several versions."""


def speed_flags(
    row: Row,
    launches: Sequence[Record],
    phases: Sequence[str],
    spread: float,
    info: Mapping[str, Any],
) -> str:
    """The flags of these launches and phases of a row, in a fixed order. `spread` is the
    `widest_spread` of the phases, `info` the content of `run.json`."""
    warmed_up = [r.metrics.get(f"{phase}_warmed_up") for r in launches for phase in phases]
    raised = {
        "w": 0.0 in warmed_up,
        "s": spread > MAX_SPREAD,
        "l": (others_busy(launches) or 0.0) > MAX_OTHERS_BUSY,
        "h": any(map(_slowed_down, launches)),
        "q": any(_held_by_quota(launch, info) for launch in launches),
        "c": any(r.metrics.get("native_calls") == 0 for r in launches),
        "o": not _codes(launches, info) <= _codes(row.measured("parity"), info) | {None},
        "m": _several_machines(launches, info),
        "e": len({r.environment for r in launches}) > 1,
        "f": fell_back(launches, info),
        "i": ADVANCE not in phases and inference_only(row),
    }
    return "".join(flag for flag, is_raised in raised.items() if is_raised)


def learning_flags(row: Row, info: Mapping[str, Any]) -> str:
    """The flags of a row of the learning table: those that do not concern times."""
    untimed = [record for record in row.records if record.probe != "speed"]
    mixed = len(_software(untimed, info)) > 1
    return "e" * mixed + "f" * fell_back(untimed, info) + "i" * inference_only(row)


def _software(records: Sequence[Record], info: Mapping[str, Any]) -> set[str]:
    """The different processors, versions and code by which these records were measured, as far as
    they say it."""
    environments = info.get("environments", {})
    known = [e for r in records if (e := environments.get(r.environment))]
    processors = ((e.get("machine") or {}).get("processor") for e in known)
    facts = ([e.get(name) for name in ("python", "versions", "code")] for e in known)
    return {json.dumps(pair, sort_keys=True) for pair in zip(processors, facts, strict=True)}


def _several_machines(launches: Sequence[Record], info: Mapping[str, Any]) -> bool:
    """Whether these launches ran on different machines or under different versions, as far as they
    say it: their times are no samples of one quantity."""
    names = dict.fromkeys(launch.environment for launch in launches)
    known = [e for name in names if (e := info.get("environments", {}).get(name))]
    return any(_other_machine(known[0], other) for other in known[1:])


def _other_machine(environment: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two environments are known to be of different machines or versions."""
    machines = [e.get("machine") or {} for e in (environment, other)]
    said = [k for k, v in machines[0].items() if v is not None and machines[1].get(k) is not None]
    differences = machine_differences(*({k: m[k] for k in said} for m in machines))
    software = [(environment.get(k), other.get(k)) for k in ("python", "versions")]
    return bool(differences) or any(None not in pair and pair[0] != pair[1] for pair in software)


def _codes(records: Sequence[Record], info: Mapping[str, Any]) -> set[str | None]:
    """The digests of the code by which these records were measured; None where they do not say."""
    environments = info.get("environments", {})
    codes = (environments.get(r.environment, {}).get("code") for r in records)
    return {code and json.dumps(code, sort_keys=True) for code in codes}


def inference_only(row: Row) -> bool:
    """Whether the backend does not train, so that its gradients could not be compared."""
    return any(r.metrics.get("gradients_compared") == 0 for r in row.measured("parity"))


def widest_spread(launches: Sequence[Record], phase: str) -> float:
    """The largest interquartile range over the median, of these launches of a phase."""
    return max(_spread(r.samples[phase]) for r in launches)


def others_busy(launches: Sequence[Record]) -> float | None:
    """Processors that other processes kept busy, in the worst launch; None if not recorded."""
    busy = [b for r in launches if (b := r.metrics.get("others_busy")) is not None]
    return max(busy, default=None)


def is_disturbed(launch: Record, info: Mapping[str, Any]) -> bool:
    """Whether the machine was loaded or held back, by a quota too, during this launch."""
    loaded = (others_busy([launch]) or 0.0) > MAX_OTHERS_BUSY
    return loaded or _slowed_down(launch) or _held_by_quota(launch, info)


def _spread(samples: Sequence[float]) -> float:
    ordered = np.sort(np.asarray(samples, np.float64))
    low, middle, high = (sorted_quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    return (high - low) / middle


def _held_by_quota(launch: Record, info: Mapping[str, Any]) -> bool:
    """Whether the container used its quota up, or the quota is smaller than the threads."""
    environment = info.get("environments", {}).get(launch.environment, {})
    quota = (environment.get("machine") or {}).get("processor_quota")
    too_small = quota is not None and quota < launch.case["threads"]
    return too_small or (launch.metrics.get("quota_throttled") or 0.0) > 0.0


def _slowed_down(launch: Record) -> bool:
    """Whether a processor or the GPU was throttled, or the host took processors away."""
    limits = {"stolen": MAX_STOLEN, "throttled": 0.0, "gpu_throttled": 0.0}
    return any((launch.metrics.get(name) or 0.0) > limit for name, limit in limits.items())
