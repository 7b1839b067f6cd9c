"""The differences between two observations, under allowances."""

from collections.abc import Iterable, Mapping
from math import inf

from bench.gate.allowance import Allowance
from bench.gate.difference import Difference, difference
from bench.gate.observe import Observation
from bench.gate.rounding import FLOAT64_TOLERANCE

UNKNOWN = "no such array in this model"
LISTED = 3
"""Rejected arrays that a failure message lists."""


def judge(
    backend: Observation, reference: Observation, allowances: Mapping[str, Allowance]
) -> list[Difference]:
    """The difference of every array of the reference; an array that the backend lacks, or that it
    alone has, is infinitely far off."""
    compared = [
        difference(
            name,
            backend.arrays.get(name),
            array,
            allowances[name].relative,
            allowances[name].absolute,
        )
        for name, array in reference.arrays.items()
    ]
    unknown = [f"{name} ({UNKNOWN})" for name in backend.arrays if name not in reference.arrays]
    return compared + [Difference(name, inf, FLOAT64_TOLERANCE) for name in unknown]


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
