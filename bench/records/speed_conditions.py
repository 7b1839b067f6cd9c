"""The conditions in an environment that decide speed, and how two environments differ in them."""

from collections.abc import Mapping
from typing import Any

Environment = Mapping[str, Any]
"""An entry of `environments` in `run.json`."""


def speed_conditions(environment: Environment) -> dict[str, str] | None:
    """The variables and the container's quota, as text; None where an older record lacks them."""
    if environment.get("variables") is None:
        return None
    quota = (environment.get("machine") or {}).get("processor_quota")
    return {**environment["variables"], **({"quota": str(quota)} if quota else {})}


def condition_changes(base: Environment, head: Environment) -> list[str]:
    """The conditions in which two environments differ: `OPENBLAS_CORETYPE unset → Core2`. What one
    of them does not record does not count."""
    before, after = speed_conditions(base), speed_conditions(head)
    if before is None or after is None:
        return []
    changes = _changes(before, after)
    if base.get("versions") == head.get("versions"):  # a new version may well choose others
        changes += _instruction_set_changes(base, head)
    return changes + _shared_core_changes(base, head)


def _instruction_set_changes(base: Environment, head: Environment) -> list[str]:
    before, after = base.get("instruction_sets") or {}, head.get("instruction_sets") or {}
    known = [library for library in before if before[library] and after.get(library)]
    changes = _changes({k: before[k] for k in known}, {k: after[k] for k in known})
    return [f"instruction set of {change}" for change in changes]


def _shared_core_changes(base: Environment, head: Environment) -> list[str]:
    before, after = shares_cores(base), shares_cores(head)
    if before is None or after is None or before == after:
        return []
    return [f"threads that share a core {'yes → no' if before else 'no → yes'}"]


def shares_cores(environment: Environment) -> bool | None:
    """Whether threads share a physical core; None where it was not recorded."""
    cores, threads = environment.get("physical_cores"), environment.get("threads")
    return None if cores is None or threads is None else cores < threads


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    names = sorted({*before, *after})
    return [
        f"{name} {before.get(name, 'unset')} → {after.get(name, 'unset')}"
        for name in names
        if before.get(name) != after.get(name)
    ]
