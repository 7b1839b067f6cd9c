"""Which kernels ran, and whether they are the ones that the backend stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.records.record import Record


def executed_path(records: Sequence[Record], info: Mapping[str, Any]) -> str | None:
    """The kernels that ran, each once; `aten, not onednn` where another kernel was expected."""
    paths = (
        executed if executed == expected else f"{executed}, not {expected}"
        for executed, expected in _paths(records, info)
    )
    return " / ".join(paths) or None


def fell_back(records: Sequence[Record], info: Mapping[str, Any]) -> bool:
    """Whether a kernel ran that the backend does not stand for."""
    return any(executed != expected for executed, expected in _paths(records, info))


def _paths(records: Sequence[Record], info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Distinct pairs of executed and expected path; a backend that names no expected path expects
    the executed one. `info` is the content of `run.json`."""
    environments = info.get("environments", {})
    ran_in = [environments.get(record.environment, {}) for record in records]
    pairs = [(e.get("executed_path"), e.get("expected_path")) for e in ran_in]
    return list(dict.fromkeys((ran, expected or ran) for ran, expected in pairs if ran))
