"""Match the rows of two sides: which row of the head is compared with which row of the base."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.analysis.rows import Row, row_label, rows_from_records
from bench.compare.both_sides import BothSides
from bench.plan.probes import GATE
from bench.records.record import Record
from bench.spec import Training

MatchedRows = list[tuple[str, BothSides[Row]]]
"""The label of each row that both sides have, with the row of each side."""


@dataclass(frozen=True)
class SideRecords:
    """What one side recorded, and the contents of its `run.json`."""

    records: Sequence[Record]
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Absence:
    """A row or a backend that could not be compared. `missing_from` is "base", "head" or
    "both"."""

    name: str
    missing_from: str
    reason: str = ""
    failure: str = ""
    """Why the parity gate rejects the head's row, where the base has none."""


def match_rows(base: Iterable[Record], head: Iterable[Record]) -> tuple[MatchedRows, list[Absence]]:
    """The rows that both sides have, and the rows that one side lacks, by name.

    Rows match by backend, device, dtype, cell and task, where the task carries the options that
    tell its sizes apart. The other rows are matched once more, labelled by the options that tell
    the sizes of their own side apart: such a pair differs in a setting, which a check reports.
    """
    records = [*assign_run(base, "base"), *assign_run(head, "head")]
    rows, skipped = measured_rows(records), skipped_rows(records)
    matched = _same_label(rows)
    matched_labels = {label for label, _ in matched}
    others = [row for row in rows if row_label(row.keys) not in matched_labels]
    relabelled = [*_relabelled(others, "base"), *_relabelled(others, "head")]
    matched_by_size = _same_label(relabelled)
    matched_labels = {label for label, _ in matched_by_size}
    alone = {_identity(row) for row in relabelled if row_label(row.keys) not in matched_labels}
    reasons = {(row.run, row_label(row.keys)): skip_reason(row) for row in skipped}
    absences = [_absence(row, reasons) for row in others if _identity(row) in alone]
    return matched + matched_by_size, sorted(absences, key=lambda absence: absence.name)


def _absence(row: Row, reasons: Mapping[tuple[str, str], str]) -> Absence:
    """What is said of a row that one side alone has."""
    label = row_label(row.keys)
    if row.run == "base":
        return Absence(name=label, missing_from="head", reason=reasons.get(("head", label), ""))
    failed = (r.reason or "" for r in row.records if r.probe == GATE and r.status == "failed")
    reason = reasons.get(("base", label), "")
    return Absence(name=label, missing_from="base", reason=reason, failure=next(failed, ""))


def measured_rows(records: Iterable[Record]) -> list[Row]:
    """The rows of these records, without the control and without rows whose cases were all skipped,
    because the backend cannot express the model."""
    rows = rows_from_records([record for record in records if record.probe != "control"])
    return [row for row in rows if any(r.status != "skipped" for r in row.records)]


def skipped_rows(records: Iterable[Record]) -> list[Row]:
    """The rows of which nothing was measured, because the backend cannot express the model."""
    rows = rows_from_records([record for record in records if record.probe != "control"])
    return [row for row in rows if all(r.status == "skipped" for r in row.records)]


def rows_on_neither_side(base: Iterable[Record], head: Iterable[Record]) -> list[Row]:
    """The rows of the head that were planned on both sides and measured on neither."""
    sides = BothSides(base, head).map(lambda records: skipped_rows(assign_run(records, "")))
    labels = {row_label(row.keys) for row in sides.base}
    return [row for row in sides.head if row_label(row.keys) in labels]


def skip_reason(row: Row) -> str:
    """Why nothing of a skipped row was measured."""
    return row.records[0].reason or ""


def assign_run(records: Iterable[Record], run: str) -> list[Record]:
    """The records with this run name, so that rows are matched within one side only."""
    return [replace(record, run=run, case=_complete(record.case)) for record in records]


def _complete(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a case with its optimiser, which older records of training do not name."""
    if "learning_rate" not in case:
        return case
    return {"optimiser": Training().optimiser, **case}


def _same_label(rows: Iterable[Row]) -> MatchedRows:
    """The labels that a row of each side has, in the order of the rows."""
    by_label: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_label.setdefault(row_label(row.keys), {})[row.run] = row
    return [
        (label, BothSides(sides["base"], sides["head"]))
        for label, sides in by_label.items()
        if len(sides) == 2
    ]


def _relabelled(rows: Iterable[Row], side: str) -> list[Row]:
    """The rows of one side, labelled by the options that tell the sizes among them apart."""
    return measured_rows(record for row in rows if row.run == side for record in row.records)


def _identity(row: Row) -> tuple[str, str]:
    """The same for a row before and after it is labelled anew."""
    return row.run, row.records[0].key
