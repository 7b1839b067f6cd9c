"""Where records come from: machine, versions and commit, and the time the harness itself took."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.machine_name import processor_name
from bench.records.record import Record


def origin(run: str, info: Mapping[str, Any]) -> dict[str, str]:
    """The run, its machine and its software, by name; what was not recorded is left out. `info` is
    the content of `run.json`."""
    machine, environments = info.get("machine") or {}, list(info.get("environments", {}).values())
    versions = {
        (name, version)
        for environment in environments
        for name, version in (environment.get("versions") or {}).items()
        if version
    }
    memory = machine.get("memory_bytes")
    lines = {
        "run": run,
        "commit": _commit(info),
        "processor": processor_name(machine),
        "memory": memory and f"{memory / 2**30:.1f} GiB",
        "GPUs": ", ".join(machine.get("gpus") or ()),
        "NVIDIA driver": machine.get("nvidia_driver"),
        "system": machine.get("system"),
        "quota": _quota(machine),
        "variables": _variables(info),
        "instruction sets": _instruction_sets(environments),
        "threads": _distinct(environments, "threads"),
        "Python": _distinct(environments, "python"),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions)),
    }
    return {name: text for name, text in lines.items() if text}


def harness_line(records: Sequence[Record], sessions_s: Sequence[float]) -> str | None:
    """A line on the share of the cases' time that the harness took. The other time was spent in
    calls of the adapters and of the reference. None where no case recorded that time."""
    clocked = [record for record in records if record.metrics.get("work_s") is not None]
    wall = sum(record.wall_s for record in clocked)
    work = sum(record.metrics["work_s"] or 0.0 for record in clocked)
    if wall <= 0:
        return None
    total = f"; the run took {sum(sessions_s):.0f} s" if sessions_s else ""
    return f"harness: {1 - work / wall:.1%} of the cases' time ({wall:.0f} s in the workers{total})"


def _commit(info: Mapping[str, Any]) -> str | None:
    commit = info.get("commit")
    return commit and commit[:12] + (" with uncommitted changes" if info.get("changed") else "")


def _quota(machine: Mapping[str, Any]) -> str | None:
    quota = machine.get("processor_quota")
    return f"{quota:g} processors" if quota else None


def _variables(info: Mapping[str, Any]) -> str:
    """The variables of the user's own that decide speed: `XLA_FLAGS=…`."""
    return ", ".join(f"{name}={value}" for name, value in (info.get("variables") or {}).items())


def _instruction_sets(environments: Sequence[Mapping[str, Any]]) -> str:
    """The instruction sets that the libraries really used: `openblas SkylakeX`."""
    sets = {
        f"{library} {name}"
        for environment in environments
        for library, name in (environment.get("instruction_sets") or {}).items()
        if name
    }
    return ", ".join(sorted(sets))


def _distinct(environments: Sequence[Mapping[str, Any]], name: str) -> str:
    return " or ".join(sorted({str(e[name]) for e in environments if e.get(name) is not None}))
