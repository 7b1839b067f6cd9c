"""The rules between the fields of a record. An error names field, value, and what is accepted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.records.faults import check, check_texts, printable_place, shown
from bench.records.kinds import LONGEST_S, Setting
from bench.records.metric_ranges import check_ranges
from bench.records.schema import CaseSettings, RecordLine

if TYPE_CHECKING:
    from bench.records.record import Record

TIMED = ("speed", "control")
"""The probes whose samples are seconds."""
PROOF = "parity"
"""The probe that proves a model equal to the reference."""


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
    _check_launch(record)
    if record.probe in TIMED:
        for name, seconds in record.samples.items():
            _check_times(printable_place(f"samples.{name}"), seconds)
    check_ranges(record)
    _check_solved(record)
    _check_started(record.started)
    _check_curves(record)
    _check_environment(record)
    _check_proof(record)


def _check_launch(record: RecordLine) -> None:
    """A case that is timed is a launch; every other case counts once for its seed."""
    launch, timed = record.case["launch"], record.probe in TIMED
    if (launch is not None) != timed:
        accepted = "a whole number of at least 0" if timed else "null"
        raise ValueError(
            f"case.launch is {'null' if launch is None else launch} for the probe "
            f"{shown(record.probe)}; accepted: {accepted}"
        )


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


def _check_solved(record: RecordLine) -> None:
    """A seed that was solved says after how many steps, and no other seed does."""
    solved, steps = record.metrics.get("solved"), record.metrics.get("steps_to_solve")
    if record.probe == "learning" and bool(solved) != (steps is not None):
        described = [f"{'null' if value is None else f'{value:g}'}" for value in (solved, steps)]
        raise ValueError(
            f"metrics.steps_to_solve is {described[1]} where metrics.solved is {described[0]}; "
            "accepted: a number where it is 1, and null elsewhere"
        )


def _check_environment(record: RecordLine) -> None:
    """What was measured tells in which environment: with the code, on the machine, and so on."""
    if record.status == "ok" and record.environment is None:
        raise ValueError(
            "status is 'ok', but environment is null; accepted: the name of an environment of "
            "run.json"
        )


def _check_proof(record: RecordLine) -> None:
    """A model that is said to be proven has arrays that were compared, and lies within its
    tolerance."""
    metrics = record.metrics
    error, tolerance = metrics.get("parity_error"), metrics.get("parity_tolerance")
    if record.status != "ok":
        return
    if rejected := metrics.get("arrays_rejected"):
        _refuse_proof("arrays_rejected", f"{rejected:g}")
    if record.probe == PROOF and "arrays_compared" in metrics:  # older records may lack it
        compared = metrics["arrays_compared"]
        if compared is None or compared < 1:
            _refuse_proof("arrays_compared", "null" if compared is None else f"{compared:g}")
    if record.probe == PROOF and tolerance is None:
        _refuse_proof("parity_tolerance", "null")
    if tolerance is not None and error is None:
        _refuse_proof("parity_error", "null")
    if tolerance is not None and error is not None and error > tolerance:
        _refuse_proof("parity_error", f"{error:g}, above the tolerance {tolerance:g}")


def _refuse_proof(metric: str, described: str) -> None:
    raise ValueError(f"status is 'ok', but metrics.{metric} is {described}; accepted: 'failed'")
