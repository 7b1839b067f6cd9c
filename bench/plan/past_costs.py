"""What earlier cases took, from their records."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.plan.case import case_key
from bench.records.folder import RecordsError, RunFolder
from bench.records.record import Record


@dataclass(frozen=True)
class PastCost:
    """The wall-clock times of earlier cases that differ only in seed or launch."""

    settings: Mapping[str, Any]
    """The flat case of one of them."""
    times: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median time."""
        return median(self.times)


PastCosts = Mapping[str, PastCost]
"""The costs of earlier cases, by `cost_group`."""


def past_costs(root: Path) -> PastCosts:
    """The costs of all measured cases below a results folder, except those of damaged runs."""
    past: dict[str, PastCost] = {}
    for folder in RunFolder.all(root):
        with suppress(RecordsError):
            _add_costs(past, folder.records())
    return past


def run_costs(path: Path) -> PastCosts:
    """The costs of all measured cases of the run in this folder; `RecordsError` if it is
    damaged."""
    past: dict[str, PastCost] = {}
    _add_costs(past, RunFolder(path).records())
    return past


def _add_costs(past: dict[str, PastCost], records: Iterable[Record]) -> None:
    for record in records:
        if record.status == "ok":
            cost = past.setdefault(cost_group(record.case), PastCost(record.case))
            cost.times.append(record.wall_s)


def cost_group(settings: Mapping[str, Any]) -> str:
    """The identity of all cases that take about as long as this flat case."""
    return case_key({k: v for k, v in settings.items() if k not in ("seed", "launch")})
