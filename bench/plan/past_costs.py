"""What earlier cases took, from the newest of their records."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.plan.case import case_key
from bench.records.folder import RunFolder
from bench.records.newest import newest_first, newest_lines, readable_records
from bench.records.record import Record

MOST_BYTES = 16 << 20
"""How much is read below a results folder, however much is there: the newest runs."""
RUN_BYTES = 2 << 20
"""How much is read of one run: its newest records."""


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


def past_costs(root: Path, most_bytes: int = MOST_BYTES, run_bytes: int = RUN_BYTES) -> PastCosts:
    """The costs of measured cases in the newest runs below a results folder.

    Whatever the size of the folder, at most about `most_bytes` of records are read, and
    `run_bytes` of each run. Damaged lines and unreadable runs are left out.
    """
    past: dict[str, PastCost] = {}
    for folder in newest_first(RunFolder.all(root)):
        if most_bytes <= 0:
            break
        lines = newest_lines(folder, min(run_bytes, most_bytes))
        most_bytes -= sum(map(len, lines))
        _add_costs(past, readable_records(lines))
    return past


def run_costs(path: Path) -> PastCosts:
    """The costs of the measured cases of the run in this folder, the newest of them where there
    are many."""
    past: dict[str, PastCost] = {}
    _add_costs(past, readable_records(newest_lines(RunFolder(path), RUN_BYTES)))
    return past


def _add_costs(past: dict[str, PastCost], records: Iterable[Record]) -> None:
    for record in records:
        if record.status == "ok":
            cost = past.setdefault(cost_group(record.case), PastCost(record.case))
            cost.times.append(record.wall_s)


def cost_group(settings: Mapping[str, Any]) -> str:
    """The identity of all cases that take about as long as this flat case."""
    return case_key({k: v for k, v in settings.items() if k not in ("seed", "launch")})
