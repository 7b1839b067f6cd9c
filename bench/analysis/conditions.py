"""Names that tell apart the records of one backend under different conditions."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.records.record import Record
from bench.records.speed_conditions import speed_conditions

Conditions = Mapping[str, str] | None


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
    return {
        (backend, *key): backend + suffix
        for backend, by_environment in conditions.items()
        for key, suffix in _suffixes(by_environment).items()
    }


def _suffixes(
    by_environment: Mapping[tuple[str, str | None], Conditions],
) -> dict[tuple[str, str | None], str]:
    known = [conditions for conditions in by_environment.values() if conditions is not None]
    names = sorted({name for conditions in known for name in conditions})
    differing = [name for name in names if len({c.get(name) for c in known}) > 1]
    return {key: _suffix(c, differing) if differing else "" for key, c in by_environment.items()}


def _suffix(conditions: Conditions, names: Iterable[str]) -> str:
    if conditions is None:
        return " [conditions not recorded]"
    words = (f"{n}={conditions[n]}" if n in conditions else f"{n} unset" for n in names)
    return f" [{', '.join(words)}]"
