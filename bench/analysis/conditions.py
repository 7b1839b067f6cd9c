"""Names that tell apart the records of one backend under different conditions."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.analysis.labels import distinct_labels, exact_name, exact_value
from bench.records.record import Record
from bench.records.speed_conditions import speed_conditions

Conditions = Mapping[str, str] | None
Differing = tuple[tuple[str, str | None], ...] | None
"""Names and values of conditions, None for one that is unset; None if they were not recorded."""


def backend_labels(
    records: Iterable[Record], infos: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str, str | None], str]:
    """The name of a backend in the tables, by backend, run and environment.

    It is the backend's own name, followed by the conditions in which its records differ: `torch
    [OMP_WAIT_POLICY=active]`. Records that lack their conditions go with the others if those all
    agree. `infos` holds the content of `run.json`, by run.
    """
    conditions: dict[str, dict[tuple[str, str | None], Conditions]] = {}
    for record in records:
        environments = infos.get(record.run, {}).get("environments", {})
        by_environment = conditions.setdefault(record.case["backend"], {})
        by_environment[record.run, record.environment] = speed_conditions(
            environments.get(record.environment, {})
        )
    keys = {
        (backend, *key): (backend, differing)
        for backend, by_environment in conditions.items()
        for key, differing in _differing(by_environment).items()
    }
    plain = {key: key[0] + _suffix(key[1]) for key in keys.values()}
    exact = {key: exact_name(key[0]) + _exact_suffix(key[1]) for key in keys.values()}
    labels = distinct_labels(plain, exact)
    return {place: labels[key] for place, key in keys.items()}


def _differing(
    by_environment: Mapping[tuple[str, str | None], Conditions],
) -> dict[tuple[str, str | None], Differing]:
    """The conditions of each environment, as far as they differ between environments."""
    known = [conditions for conditions in by_environment.values() if conditions is not None]
    names = sorted({name for conditions in known for name in conditions})
    differing = [name for name in names if len({c.get(name) for c in known}) > 1]
    return {
        key: None if c is None and differing else tuple((n, (c or {}).get(n)) for n in differing)
        for key, c in by_environment.items()
    }


def _suffix(differing: Differing) -> str:
    if differing is None:
        return " [conditions not recorded]"
    words = (f"{name} unset" if value is None else f"{name}={value}" for name, value in differing)
    return f" [{', '.join(words)}]" if differing else ""


def _exact_suffix(differing: Differing) -> str:
    return f" {exact_value(differing)}" if differing else _suffix(differing)
