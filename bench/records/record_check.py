"""The checks of a record. Each error names the field, its value, and what is accepted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.records.kinds import (
    COUNT,
    DURATION,
    LIST,
    NUMBER,
    OBJECT,
    SAMPLED_TIME,
    SETTING,
    STATUS,
    TEXT,
    WHOLE,
    Kind,
    check,
)

if TYPE_CHECKING:
    from bench.records.record import Record

FIELDS: Mapping[str, Kind] = {
    "run": TEXT,
    "case": OBJECT,
    "status": STATUS,
    "reason": TEXT.or_null(),
    "probe": TEXT,
    "environment": TEXT.or_null(),
    "started": TEXT,
    "wall_s": DURATION,
    "metrics": OBJECT,
    "samples": OBJECT,
    "traceback": TEXT.or_null(),
}
CASE_FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("backend", "device", "dtype", "cell", "task", "probe"), TEXT),
    "seed": WHOLE,
    "launch": WHOLE.or_null(),
    "threads": COUNT,
}
"""The settings that every case has."""
TIMED = ("speed", "control")
"""The probes whose samples are seconds."""


def check_fields(record: "Record") -> None:
    """Raise ValueError for the first field of a record with a wrong value."""
    for name, kind in FIELDS.items():
        check(name, getattr(record, name), kind)
    for name, kind in CASE_FIELDS.items():
        if name not in record.case:
            raise ValueError(f"case lacks {name}")
        check(f"case.{name}", record.case[name], kind)
    for name, value in record.case.items():
        check(f"case.{name}", value, SETTING)
    if record.case["probe"] != record.probe:
        raise ValueError(f"probe is {record.probe!r} in a case of {record.case['probe']!r}")
    for name, value in record.metrics.items():
        check(f"metrics.{name}", value, NUMBER)
    for name, values in record.samples.items():
        check(f"samples.{name}", values, LIST)
        _check_samples(name, values, SAMPLED_TIME if record.probe in TIMED else NUMBER)
    _check_curves(record)
    _check_proof(record)


def _check_samples(name: str, values: Sequence[Any], kind: Kind) -> None:
    """Check each sample; all at once first, because a curve may have millions of them."""
    if set(map(type, values)) <= {float}:
        array = np.array(values)
        if np.isfinite(array).all() and (kind is NUMBER or (array > 0).all()):
            return
    for index, value in enumerate(values):
        check(f"samples.{name}[{index}]", value, kind)


def _check_curves(record: "Record") -> None:
    """The curve of the metric has a value for each checkpoint."""
    metric = record.case.get("metric")
    steps, curve = (record.samples.get(str(name)) for name in ("checkpoint_step", metric))
    if steps is not None and curve is not None and len(steps) != len(curve):
        raise ValueError(
            f"samples.{metric} has {len(curve)} values for {len(steps)} values of "
            "samples.checkpoint_step; accepted: as many"
        )


def _check_proof(record: "Record") -> None:
    """A model that is said to be proven lies within its tolerance."""
    error, tolerance = (record.metrics.get(name) for name in ("parity_error", "parity_tolerance"))
    if tolerance is not None and tolerance <= 0:
        raise ValueError(f"metrics.parity_tolerance is {tolerance}; accepted: above 0")
    if error is None or tolerance is None or record.status != "ok":
        return
    if error > tolerance:
        raise ValueError(
            f"status is 'ok', but metrics.parity_error is {error:g}, above the tolerance "
            f"{tolerance:g}; accepted: 'failed'"
        )
