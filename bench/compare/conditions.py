"""Whether both sides of a row ran under the same conditions."""

from collections.abc import Mapping
from typing import Any

from bench.analysis.rows import Row
from bench.compare.both_sides import BothSides, in_common
from bench.records.speed_conditions import condition_changes

Info = Mapping[str, Any]
"""The content of `run.json`."""


def changed_conditions(rows: BothSides[Row], infos: BothSides[Info]) -> str:
    """The conditions in which the sides differ, in words; empty where they agree. Only environments
    of the same probe are compared: other probes have other numbers of threads."""
    by_probe = BothSides(_environments(rows.base, infos.base), _environments(rows.head, infos.head))
    changes = (
        change
        for base, head in in_common(by_probe).values()
        for before in base.values()
        for after in head.values()
        for change in condition_changes(before, after)
    )
    return "; ".join(dict.fromkeys(changes))


def _environments(row: Row, info: Info) -> dict[str, dict[str, Info]]:
    """The environments of a row, by probe and name."""
    environments: dict[str, dict[str, Info]] = {}
    for record in row.records:
        name = record.environment
        if name is not None and (environment := info.get("environments", {}).get(name)):
            environments.setdefault(record.probe, {})[name] = environment
    return environments
