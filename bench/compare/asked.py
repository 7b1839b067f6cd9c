"""What the user asked for, and what of it could not be measured."""

from collections.abc import Mapping
from typing import Any

from bench.analysis.rows import Row, row_label
from bench.compare.both_sides import BothSides
from bench.compare.evidence import Asked
from bench.compare.matching import (
    Absence,
    SideRecords,
    measured_rows,
    rows_on_neither_side,
    skip_reason,
)
from bench.options import ALL_BACKENDS


def asked_for(info: Mapping[str, Any]) -> Asked:
    """What must be measured in every row. Among all backends some cannot train: what these lack
    was not asked for."""
    request = info.get("request") or {}
    probes, phases = frozenset(request.get("probes") or ()), request.get("phases") or ()
    if _every_backend(info):
        return Asked(probes=probes & {"speed"})
    return Asked(probes=probes, phases=frozenset(phases) if "speed" in probes else frozenset())


def unmeasured_rows(sides: BothSides[SideRecords]) -> list[Absence]:
    """The rows that were planned and measured on neither side.

    Where all backends were asked for, some of them lack a model: only a model that no backend
    measured counts then. A stored run does not tell whether all backends were asked for.
    """
    rows = rows_on_neither_side(sides.base.records, sides.head.records)
    if "asked" not in sides.head.info or _every_backend(sides.head.info):
        measured = {_model(row) for row in measured_rows(sides.head.records)}
        rows = [row for row in rows if _model(row) not in measured]
    return [
        Absence(name=row_label(row.keys), missing_from="both", reason=skip_reason(row))
        for row in rows
    ]


def _model(row: Row) -> tuple[str, ...]:
    return row.task, row.cell, row.dtype, row.device


def absent_backends(sides: BothSides[SideRecords]) -> list[Absence]:
    """The backends that could not run: on the head alone, or on both sides although their device
    was named. A backend that is missing everywhere and was not named does not belong to the
    comparison. With all backends, neither does one that cannot run on a device where others ran."""
    base, head = sides.map(lambda side: list(side.info.get("missing") or ()))
    devices = _words(sides.head.info).get("devices")
    records = sides.head.records if _every_backend(sides.head.info) else ()
    used_devices = {record.case["device"] for record in records if record.status == "ok"}
    named = bool(devices) and devices != ["auto"]
    lost = [Absence(name=gap, missing_from="head") for gap in head if gap not in base]
    never_ran = [
        Absence(name=gap, missing_from="both")
        for gap in head
        if gap in base and named and _device(gap) not in used_devices
    ]
    return lost + never_ran


def lost_features(sides: BothSides[SideRecords]) -> list[Absence]:
    """The backends whose adapter lacks something in the head that it has in the base, such as
    lengths, although no row needs it. Older sides do not tell what they have."""
    base, head = sides.map(lambda side: side.info.get("features") or {})
    lost = {name: [f for f in base[name] if f not in head[name]] for name in base if name in head}
    return [
        Absence(name=name, missing_from="head", reason=", ".join(features).replace("_", " "))
        for name, features in lost.items()
        if features
    ]


def _device(gap: str) -> str:
    """The device in `torch on cuda:1: why not`."""
    return gap.split(" on ", 1)[-1].split(": ")[0]


def _every_backend(info: Mapping[str, Any]) -> bool:
    return ALL_BACKENDS in (_words(info).get("backends") or ())


def _words(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the user asked for; for a stored run, its request."""
    words: Mapping[str, Any] = info.get("asked") or info.get("request") or {}
    return words
