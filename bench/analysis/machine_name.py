"""What the tables call the machine that ran."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.records.record import Record


def processor_name(machine: Mapping[str, Any]) -> str | None:
    """`AMD EPYC, 2 cores`, as far as it was recorded; `machine` is the part of `run.json`."""
    cores = machine.get("cores")
    names = (machine.get("processor"), cores and f"{cores} cores")
    return ", ".join(name for name in names if name) or None


def machine_name(records: Iterable[Record], info: Mapping[str, Any], device: str) -> str | None:
    """The processor or, for a case on a GPU, the GPUs on which these records were measured; None
    where that was not recorded. `info` is the content of `run.json`, whose own machine stands for
    what the environment of a record does not say."""
    environments = info.get("environments", {})
    recorded = [environments.get(record.environment, {}).get("machine") for record in records]
    machines = [
        {**(info.get("machine") or {}), **{name: v for name, v in (facts or {}).items() if v}}
        for facts in recorded
    ]
    names = (processor_name(m) if device == "cpu" else _gpu_names(m) for m in machines)
    return " or ".join(dict.fromkeys(filter(None, names))) or None


def _gpu_names(machine: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(machine.get("gpus") or ()))
