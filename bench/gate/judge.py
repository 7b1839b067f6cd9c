"""The differences between two observations, under allowances."""

from collections.abc import Iterable, Mapping

from bench.gate.allowance import Allowance
from bench.gate.difference import Difference, difference
from bench.gate.observe import Observation

LISTED = 3
"""Rejected arrays that a failure message lists."""


def judge(
    backend: Observation, reference: Observation, allowances: Mapping[str, Allowance]
) -> list[Difference]:
    """The difference of every array of the reference; an array that the backend lacks is
    infinitely far off."""
    return [
        difference(
            name,
            backend.arrays.get(name),
            array,
            allowances[name].relative,
            allowances[name].absolute,
        )
        for name, array in reference.arrays.items()
    ]


def worst_first(differences: Iterable[Difference]) -> list[Difference]:
    """Sorted by error as a multiple of the tolerance."""
    return sorted(differences, key=lambda d: d.severity, reverse=True)


def failure(differences: Iterable[Difference]) -> str | None:
    """A message that lists the worst rejected arrays; None where all are accepted."""
    rejected = [d for d in worst_first(differences) if not d.accepted]
    if not rejected:
        return None
    unlisted = len(rejected) - LISTED
    ending = f", and {unlisted} more" if unlisted > 0 else ""
    return "parity: " + "; ".join(map(str, rejected[:LISTED])) + ending
