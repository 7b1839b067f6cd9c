"""Build the evidence of a comparison from the records of both sides."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from bench.analysis.rows import Row
from bench.compare.asked import absent_backends, asked_for, lost_features, unmeasured_rows
from bench.compare.both_sides import BothSides, in_common
from bench.compare.conditions import changed_conditions
from bench.compare.evidence import Asked, ControlKey, Evidence, LaunchKey, MatchedRow, SpeedEvidence
from bench.compare.launch_times import LaunchTimes
from bench.compare.matching import SideRecords, match_rows
from bench.compare.outcomes import (
    GradientOutcome,
    LaunchOutcome,
    LearningOutcome,
    ParityOutcome,
    times_by_phase,
)
from bench.plan.case import model_key
from bench.records.machine import machine_differences
from bench.records.record import Record

Value = TypeVar("Value")

PRODUCT_KEY = ("backend", "device", "dtype", "threads", "launch")
"""The rate of a large matrix product is measured once in each process and dtype."""


def build_evidence(sides: BothSides[SideRecords], *, live: bool) -> Evidence:
    """The evidence in the records of both sides."""
    rows, absent_rows = match_rows(sides.base.records, sides.head.records)
    infos = sides.map(lambda side: side.info)
    times = control_times if live else product_times
    return Evidence(
        live=live,
        rows=[_matched_row(label, row, infos) for label, row in rows],
        absences=[
            *absent_rows,
            *unmeasured_rows(sides),
            *absent_backends(sides),
            *lost_features(sides),
        ],
        other_machine="" if live else other_machine(infos),
        asked=asked_for(infos.head) if live else Asked(),
        control=in_common(sides.map(lambda side: times(side.records))),
    )


# ---- rows ------------------------------------------------------------------------------------


def _matched_row(
    label: str, rows: BothSides[Row], infos: BothSides[Mapping[str, Any]]
) -> MatchedRow:
    return MatchedRow(
        label=label,
        backend=rows.base.backend,
        dtype=rows.base.dtype,
        model_keys=rows.map(lambda row: model_key(row.records[0].case)),
        changed_settings=_changed_settings(rows.map(lambda row: row.size)),
        changed_conditions=changed_conditions(rows, infos),
        parity=rows.map(lambda row: _by_seed(_not_skipped(row), ParityOutcome.from_record)),
        learning=rows.map(
            lambda row: _by_seed(_probe_records(row, "learning"), LearningOutcome.from_record)
        ),
        gradients=rows.map(
            lambda row: _by_seed(_probe_records(row, "gradients"), GradientOutcome.from_record)
        ),
        speed=_speed_evidence(rows.map(lambda row: _probe_records(row, "speed"))),
        foreign_files=_foreign_files(rows.base.backend, infos),
    )


def _foreign_files(backend: str, infos: BothSides[Mapping[str, Any]]) -> BothSides[str]:
    """Why a side's files are not its own; empty where they are. If both sides load the same files
    that were built under a digest, although their sources differ, one side built them for both."""
    digests = infos.map(lambda info: (info.get("digest_files") or {}).get(backend, []))
    shared = digests.base[0] if digests.base and digests.base == digests.head else ""
    reason = f"loads {shared}, whose digest does not stand for the sources, which differ"
    return infos.map(
        lambda info: (
            (info.get("foreign_files") or {}).get(backend, "") or (reason if shared else "")
        )
    )


def _changed_settings(settings: BothSides[Mapping[str, Any]]) -> dict[str, BothSides[Any]]:
    """The settings in which the sides differ. A setting that only one side has does not count: the
    first loss and the first gradients show whether the model is the same."""
    base, head = settings
    return {
        name: BothSides(base[name], head[name])
        for name in base
        if name in head and base[name] != head[name]
    }


def _probe_records(row: Row, probe: str) -> list[Record]:
    return [record for record in row.records if record.probe == probe]


def _not_skipped(row: Row) -> list[Record]:
    return [record for record in _probe_records(row, "parity") if record.status != "skipped"]


def _by_seed(records: Iterable[Record], outcome: Callable[[Record], Value]) -> dict[int, Value]:
    return {record.case["seed"]: outcome(record) for record in records}


def _speed_evidence(records: BothSides[Sequence[Record]]) -> SpeedEvidence:
    return SpeedEvidence(
        launches=in_common(records.map(_by_launch)),
        phases=records.map(_timed_phases),
        settings={
            name: records.map(partial(_distinct_values, name=name))
            for name in ("threads", "phase_s")
        },
    )


def _by_launch(records: Iterable[Record]) -> dict[LaunchKey, LaunchOutcome]:
    launches: dict[LaunchKey, LaunchOutcome] = {}
    for record in records:
        key = record.case["launch"], record.case["threads"]
        outcome = LaunchOutcome.from_record(record)
        launches[key] = launches[key].joined(outcome) if key in launches else outcome
    return dict(sorted(launches.items(), key=lambda item: item[0]))


def _timed_phases(records: Iterable[Record]) -> set[str]:
    timed = (times_by_phase(record) for record in records if record.status == "ok")
    return {phase for phases in timed for phase in phases}


def _distinct_values(records: Iterable[Record], name: str) -> list[Any]:
    return sorted({record.case[name] for record in records if name in record.case})


# ---- the machine -----------------------------------------------------------------------------


def other_machine(infos: BothSides[Mapping[str, Any]]) -> str:
    """Why two stored runs cannot be compared; empty where they come from one kind of machine."""
    base, head = infos.map(lambda info: info.get("machine") or {})
    if not base or not head:
        return "run.json of a side does not name its machine"
    pairs = [(base, head), *((base, machine) for info in infos for machine in _machines(info))]
    different = (machine_differences(*pair) for pair in pairs)
    differences = next(filter(None, different), [])
    return f"another machine: {'; '.join(differences)}" if differences else ""


def _machines(info: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The machine of a run as each of its environments describes it."""
    for environment in info.get("environments", {}).values():
        described = environment.get("machine") or {}
        yield {name: described.get(name, value) for name, value in info["machine"].items()}


# ---- the control -----------------------------------------------------------------------------


def control_times(records: Iterable[Record]) -> dict[ControlKey, LaunchTimes]:
    """The times of the control beside each launch of a live comparison, by backend and launch."""
    return {
        (record.case["backend"], record.case["launch"]): LaunchTimes.from_record(record, "control")
        for record in records
        if record.probe == "control" and record.status == "ok"
    }


def product_times(records: Iterable[Record]) -> dict[ControlKey, LaunchTimes]:
    """The control of a stored run: the inverse rate of a large matrix product, by `PRODUCT_KEY`."""
    return {
        tuple(record.case[name] for name in PRODUCT_KEY): LaunchTimes(1 / rate)
        for record in records
        if (rate := record.metrics.get("product_gflops"))
    }
