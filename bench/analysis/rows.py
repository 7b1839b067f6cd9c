"""Rows: the records of one model in one backend on one device, gathered from all probes."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.analysis.conditions import backend_labels
from bench.analysis.task_sizes import size_key, task_labels, task_size
from bench.plan.probes import DEFAULT_PHASES, GATE, PROBES
from bench.records.record import Record, latest_records
from bench.records.record_check import TIMED
from bench.spec import CELLS

TABLE_KEYS = ("run", "task", "device", "dtype")
ROW_KEYS = (*TABLE_KEYS, "cell", "backend")
FINAL_PREFIX, BASELINE_PREFIX = "final.", "baseline."
"""Prefixes of metrics: scores at the end of training, and scores of classical methods."""


@dataclass(frozen=True)
class Row:
    """All records of one model in one backend in one run, by probe, seed and launch. `task` holds
    the options that tell this size of the task from the other sizes of the run; `backend` likewise
    holds the conditions that differ, see `bench.analysis.conditions`."""

    run: str
    task: str
    device: str
    dtype: str
    cell: str
    backend: str
    records: tuple[Record, ...]

    @property
    def keys(self) -> dict[str, str]:
        """The values of `ROW_KEYS`, by name."""
        return {name: getattr(self, name) for name in ROW_KEYS}

    @property
    def table_key(self) -> tuple[str, ...]:
        """Run, task, device and dtype: the table in which the row stands."""
        return tuple(getattr(self, name) for name in TABLE_KEYS)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the first case."""
        return self.records[0].case

    @property
    def size(self) -> dict[str, Any]:
        """The settings of the task, the model and the training that all rows of a table share."""
        return task_size(self.settings)

    @cached_property
    def unproven(self) -> str | None:
        """Why the row may not be compared: the reason of the first parity case that did not pass,
        or the lack of one; None where parity is proven."""
        parity = [record for record in self.records if record.probe == "parity"]
        if not parity:
            return "no parity record"
        failures = (record.reason or record.status for record in parity if record.status != "ok")
        return next(failures, None)

    def measured(self, probe: str) -> list[Record]:
        """The successful records of a probe, by seed and launch."""
        return [r for r in self.records if r.probe == probe and r.status == "ok"]


def row_label(keys: Mapping[str, Any]) -> str:
    """`torch lstm adding`: the row's keys without the run and without the usual values (cpu,
    float32)."""
    words = (str(keys[name]) for name in ("backend", "cell", "task", "dtype", "device"))
    return " ".join(word for word in words if word not in ("cpu", "float32"))


def rows_from_records(
    records: Iterable[Record], infos: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Row]:
    """One row for each run, model, backend and device, in an order that does not depend on the
    order of the records. If a run holds a case, a seed or a launch twice, the later record counts.

    With `infos`, the content of `run.json` by run, records under different conditions make
    different rows.
    """
    latest = latest_records(records)
    labels, backends = task_labels(latest), backend_labels(latest, infos or {})
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in latest:
        case = record.case
        task = labels[case["task"], size_key(case)]
        backend = backends[case["backend"], record.run, record.environment]
        keys = (record.run, task, *(case[name] for name in ROW_KEYS[2:-1]), backend)
        groups.setdefault(keys, []).append(record)
    rows = [
        Row(
            **dict(zip(ROW_KEYS, keys, strict=True)),
            records=tuple(sorted(_counted_once(group), key=_record_order)),
        )
        for keys, group in groups.items()
    ]
    return sorted(rows, key=_row_order)


def rows_by_table(rows: Iterable[Row]) -> dict[tuple[str, ...], list[Row]]:
    """The rows of each table, by its run, task, device and dtype."""
    tables: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        tables.setdefault(row.table_key, []).append(row)
    return tables


def deciding_metric(learned: Sequence[Record]) -> str | None:
    """The name of the score that decides whether a seed is solved; None without records."""
    return learned[0].case.get("metric") if learned else None


def classical_scores(
    values: Mapping[Any, Any], deciding: str | None
) -> dict[str, dict[str, float]]:
    """Scores of classical methods, by method and by score, from the metrics of a learning record
    or from a row of the learning table. There, `baseline.method` is the deciding score and
    `baseline.method.score` another one."""
    scores: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if str(name).startswith(BASELINE_PREFIX) and value is not None and not math.isnan(value):
            method, _, score = str(name).removeprefix(BASELINE_PREFIX).partition(".")
            scores.setdefault(method, {})[score or str(deciding)] = value
    return scores


def metric_value(record: Record, name: str) -> float:
    """A metric of a record; NaN where it is missing or null."""
    value = record.metrics.get(name)
    return math.nan if value is None else float(value)


def _row_order(row: Row) -> tuple[Any, ...]:
    """By run, task, device and dtype, then by cell as in `CELLS`, then by backend."""
    cell = [*CELLS, row.cell].index(row.cell)
    return row.run, _natural_order(row.task), row.device, row.dtype, cell, row.backend


def _counted_once(records: Sequence[Record]) -> list[Record]:
    """The records of a row without those that a later one replaces: of the same probe and seed, or
    of the same launch on as many threads if it timed one of the same phases. Every proof counts."""
    taken: set[tuple[Any, ...]] = set()
    counted = []
    for record in reversed(records):
        places = _places(record)
        if not places & taken:
            counted.append(record)
        taken |= places
    return counted


def _places(record: Record) -> set[tuple[Any, ...]]:
    """What a record stands for in its row; no two records may stand for the same."""
    case = record.case
    if record.probe == GATE:
        return {(GATE, record.key)}
    if record.probe not in TIMED:
        return {(record.probe, case["seed"])}
    phases = str(case.get("phases") or " ".join(DEFAULT_PHASES)).split()
    return {(record.probe, case["launch"], case["threads"], phase) for phase in phases}


def _record_order(record: Record) -> tuple[Any, ...]:
    """By probe, seed and launch, then by the other settings in which the cases of a row differ."""
    case = record.case
    probe = PROBES.index(record.probe) if record.probe in PROBES else len(PROBES)
    numbers = [case.get(name) or 0 for name in ("seed", "launch", "threads")]
    return probe, *numbers, str(case.get("phases")), str(case.get("phase_s"))


def _natural_order(text: str) -> list[tuple[int, int, str]]:
    """A sort key that puts `length=10` after `length=9`. Numbers stay text, because Python refuses
    to read very long ones."""
    words = re.split(r"0*([0-9]+)", text)
    return [(0, len(word), word) if k % 2 else (1, 0, word) for k, word in enumerate(words)]
