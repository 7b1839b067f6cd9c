"""Records gathered by what they belong to: a row is one model in one backend on one device."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.plan.case import PROBE_SETTINGS
from bench.plan.probes import PROBES
from bench.records.record import Record
from bench.spec import CELLS

TABLE_KEYS = ("run", "task", "device", "dtype")
ROW_KEYS = (*TABLE_KEYS, "cell", "backend")
FINAL_PREFIX, BASELINE_PREFIX = "final.", "baseline."
"""Begin the names of scores at the end of training, and of those of classical methods."""


@dataclass(frozen=True)
class Row:
    """All records of one model in one backend, by probe, seed and launch. `task` carries the
    options that tell this size from others; records of different runs are never put together."""

    run: str
    task: str
    device: str
    dtype: str
    cell: str
    backend: str
    records: tuple[Record, ...]

    @property
    def keys(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ROW_KEYS}

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.records[0].case

    @property
    def size(self) -> dict[str, Any]:
        """The settings of the task, the model and the training that all of a table share."""
        return _size(self.settings)

    @cached_property
    def unproven(self) -> str | None:
        """Why nothing of this row may be compared: its model is not proven equal; or None."""
        parity = [r for r in self.records if r.probe == "parity"]
        shut = [r.reason or r.status for r in parity if r.status != "ok"]
        return shut[0] if shut else None if parity else "no parity record"

    def measured(self, probe: str) -> list[Record]:
        """What this probe measured, by seed and launch."""
        return [r for r in self.records if r.probe == probe and r.status == "ok"]


def row_label(place: Mapping[str, Any]) -> str:
    """`torch lstm adding`: where a row stands, without what is usual (cpu, float32)."""
    words = (str(place[name]) for name in ("backend", "cell", "task", "dtype", "device"))
    return " ".join(word for word in words if word not in ("cpu", "float32"))


def rows_from_records(records: Iterable[Record]) -> list[Row]:
    """One row a model and backend, in an order that does not depend on the records'. Of a case
    that was recorded twice in a run the later record counts."""
    unique = list({(record.run, record.key): record for record in records}.values())
    labels = _labels(unique)
    gathered: dict[tuple[str, ...], list[Record]] = {}
    for record in unique:
        case = record.case
        task = labels[case["task"], _text(_size(case))]
        place = (record.run, task, *(case[name] for name in ROW_KEYS[2:]))
        gathered.setdefault(place, []).append(record)
    found = [
        Row(**dict(zip(ROW_KEYS, place, strict=True)), records=tuple(sorted(group, key=_turn)))
        for place, group in gathered.items()
    ]
    return sorted(found, key=_order)


def rows_by_table(found: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows that stand in one table: the same run, task, device and dtype."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in found:
        groups.setdefault(tuple(getattr(row, name) for name in TABLE_KEYS), []).append(row)
    return groups


def deciding_metric(learned: Sequence[Record]) -> str | None:
    """The name of the score that decides."""
    return learned[0].case.get("metric") if learned else None


def classical_scores(
    values: Mapping[Any, Any], deciding: str | None
) -> dict[str, dict[str, float]]:
    """Scores of classical methods, by method and score, of what a record of learning or a row of
    the table made of it holds: `baseline.method` is the deciding score, `baseline.method.score`
    another."""
    found: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if str(name).startswith(BASELINE_PREFIX) and value is not None and not math.isnan(value):
            method, _, score = str(name).removeprefix(BASELINE_PREFIX).partition(".")
            found.setdefault(method, {})[score or str(deciding)] = value
    return found


def _order(row: Row) -> tuple[Any, ...]:
    cell = [*CELLS, row.cell].index(row.cell)
    return row.run, _natural(row.task), row.device, row.dtype, cell, row.backend


def _turn(record: Record) -> tuple[Any, ...]:
    probe = PROBES.index(record.probe) if record.probe in PROBES else len(PROBES)
    return probe, record.case.get("seed") or 0, record.case.get("launch") or 0, record.key


def _natural(text: str) -> list[tuple[int, int, str]]:
    """`length=10` after `length=9`."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _size(case: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that tell sizes of a task apart."""
    shared = (*PROBE_SETTINGS, "backend", "device", "dtype", "cell", "task")
    return {name: value for name, value in case.items() if name not in shared}


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _labels(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """The name of a task at each of its sizes: `adding`, or `adding length=50` where the
    records hold several."""
    sizes: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        size = _size(record.case)
        sizes.setdefault(record.case["task"], {}).setdefault(_text(size), size)
    labels = {}
    for task, variants in sizes.items():
        told = _telling(list(variants.values()))
        for text, settings in variants.items():
            options = (f"{name}={settings.get(name)}" for name in told)
            labels[task, text] = " ".join((task, *options))
    return labels


def _telling(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """Options whose values tell all variants apart, taken in the order of the case."""
    told: list[str] = []
    seen = 1
    for option in dict.fromkeys(name for variant in variants for name in variant):
        distinct = {tuple(v.get(name) for name in (*told, option)) for v in variants}
        if len(distinct) > seen:
            told, seen = [*told, option], len(distinct)
    return told
