"""The rules between the fields of a record. An error names field, value, and what is accepted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.records.faults import check, check_texts, printable_place, shown
from bench.records.kinds import LONGEST_S, Setting
from bench.records.schema import CaseSettings, RecordLine

if TYPE_CHECKING:
    from bench.records.record import Record

TIMED = ("speed", "control")
"""The probes whose samples are seconds."""
SECONDS = "_s"
"""The end of the names of metrics that are seconds."""


def check_fields(record: "Record") -> None:
    """Raise ValueError for the first field of a record with a wrong value. A number that is not
    finite must be None already."""
    check_rules(check(vars(record), RecordLine, ""))


def check_case(settings: Mapping[str, Any]) -> None:
    """Raise ValueError for the first setting of a case that no record of it could have."""
    check(settings, dict[str, Setting | None], "case")
    check_texts(settings, "case")
    check(settings, CaseSettings, "case")


def check_rules(record: RecordLine) -> None:
    """Raise ValueError for the first rule that a record breaks, although its fields are valid."""
    check(record.case, CaseSettings, "case")
    if record.case["probe"] != record.probe:
        raise ValueError(
            f"probe is {shown(record.probe)} in a case of {shown(record.case['probe'])}"
        )
    if record.probe in TIMED:
        for name, seconds in record.samples.items():
            _check_times(printable_place(f"samples.{name}"), seconds)
    for name, value in record.metrics.items():
        if value is not None and name.endswith(SECONDS) and not 0 <= value <= LONGEST_S:
            place = printable_place(f"metrics.{name}")
            raise ValueError(f"{place} is {value!r}; accepted: a number from 0 to {LONGEST_S:g}")
    _check_started(record.started)
    _check_curves(record)
    _check_proof(record)


def _check_started(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"started is {shown(text)}; accepted: a time in ISO 8601, such as 2026-01-31T12:00:00"
        ) from None


def _check_times(place: str, seconds: Sequence[float | None]) -> None:
    """Times are above 0; a null is a time that could not be read."""
    times = [second for second in seconds if second is not None]
    for extreme in (min(times), max(times)) if times else ():
        if not 0 < extreme <= LONGEST_S:
            raise ValueError(
                f"{place}[{seconds.index(extreme)}] is {extreme!r}; "
                f"accepted: a number above 0 and up to {LONGEST_S:g}, or null"
            )


def _check_curves(record: RecordLine) -> None:
    """The curve of the metric has a value for each checkpoint."""
    metric: Any = record.case.get("metric")
    steps, curve = record.samples.get("checkpoint_step"), record.samples.get(metric)
    if steps is not None and curve is not None and len(steps) != len(curve):
        curve_place = printable_place(f"samples.{metric}")
        raise ValueError(
            f"{curve_place} has {len(curve)} values for {len(steps)} values of "
            "samples.checkpoint_step; accepted: as many"
        )


def _check_proof(record: RecordLine) -> None:
    """A model that is said to be proven lies within its tolerance."""
    error, tolerance = (record.metrics.get(name) for name in ("parity_error", "parity_tolerance"))
    if error is not None and error < 0:
        raise ValueError(f"metrics.parity_error is {error}; accepted: at least 0")
    if tolerance is not None and tolerance <= 0:
        raise ValueError(f"metrics.parity_tolerance is {tolerance}; accepted: above 0")
    if record.status != "ok":
        return
    if rejected := record.metrics.get("arrays_rejected"):
        raise ValueError(
            f"status is 'ok', but metrics.arrays_rejected is {rejected:g}; accepted: 'failed'"
        )
    if tolerance is not None and (error is None or error > tolerance):
        described = "null" if error is None else f"{error:g}, above the tolerance {tolerance:g}"
        raise ValueError(
            f"status is 'ok', but metrics.parity_error is {described}; accepted: 'failed'"
        )
