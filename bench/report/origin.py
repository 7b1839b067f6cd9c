"""Where records come from, as lines to read: machine, versions, commit, and the harness's share."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.records.record import Record


def origin(run: str, info: Mapping[str, Any]) -> dict[str, str]:
    """What ran, by name; what was not recorded is left out."""
    machine, environments = info.get("machine", {}), list(info.get("environments", {}).values())
    pairs = sorted({(n, v) for e in environments for n, v in e.get("versions", {}).items() if v})
    memory = machine.get("memory_bytes")
    found = {
        "run": run,
        "commit": _commit(info),
        "processor": _processor(machine),
        "memory": memory and f"{memory / 2**30:.1f} GiB",
        "GPUs": ", ".join(machine.get("gpus") or ()),
        "NVIDIA driver": machine.get("nvidia_driver"),
        "system": machine.get("system"),
        "threads": _distinct(environments, "threads"),
        "Python": _distinct(environments, "python"),
        "versions": ", ".join(f"{name} {version}" for name, version in pairs),
    }
    return {name: value for name, value in found.items() if value}


def harness_line(records: Sequence[Record], sessions_s: Sequence[float]) -> str | None:
    """What of the cases' time went to the harness itself: the rest was spent inside the calls of
    the adapters and the reference. None where nothing was clocked."""
    pairs = [
        (record.wall_s, work)
        for record in records
        if (work := record.metrics.get("work_s")) is not None
    ]
    wall, work = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    if wall <= 0:
        return None
    took = f"; the run took {sum(sessions_s):.0f} s" if sessions_s else ""
    return f"harness: {1 - work / wall:.1%} of the cases' time ({wall:.0f} s in the workers{took})"


def _commit(info: Mapping[str, Any]) -> str | None:
    head = info.get("commit")
    return head and head[:12] + (" with uncommitted changes" if info.get("changed") else "")


def _processor(machine: Mapping[str, Any]) -> str | None:
    cores = machine.get("cores")
    parts = (machine.get("processor"), cores and f"{cores} cores")
    return ", ".join(part for part in parts if part) or None


def _distinct(environments: Sequence[Mapping[str, Any]], name: str) -> str:
    return " or ".join(sorted({str(e[name]) for e in environments if e.get(name) is not None}))
