"""What the tables call the machine that ran."""

from collections.abc import Mapping
from typing import Any


def processor_name(machine: Mapping[str, Any]) -> str | None:
    """`AMD EPYC, 2 cores`, as far as it was recorded; `machine` is the part of `run.json`."""
    cores = machine.get("cores")
    names = (machine.get("processor"), cores and f"{cores} cores")
    return ", ".join(name for name in names if name) or None


def machine_name(info: Mapping[str, Any], device: str) -> str | None:
    """The processor or, for a case on a GPU, the GPUs; None where that was not recorded. `info` is
    the content of `run.json`."""
    machine = info.get("machine") or {}
    if device == "cpu":
        return processor_name(machine)
    return ", ".join(dict.fromkeys(machine.get("gpus") or ())) or None
