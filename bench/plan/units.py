"""Groups cases into units of work, each for one fresh worker process."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.plan.case import Case, ProcessKey
from bench.plan.probes import GATE, ISOLATED_PROBES, TIMED_PROBES


@dataclass(frozen=True)
class Unit:
    """Cases for one fresh worker process: one backend, one device, one number of threads."""

    backend: str
    device: str
    threads: int
    timed: bool
    cases: tuple[Case, ...]

    def waits_for(self, first: "Unit") -> bool:
        """Whether `first` proves a model that this unit uses and does not prove itself."""
        return any(
            case.model_key in first.proven_models and case.model_key not in self.proven_models
            for case in self.cases
        )

    @cached_property
    def proven_models(self) -> frozenset[str]:
        """The keys of the models whose parity case is in this unit."""
        return frozenset(case.model_key for case in self.cases if case.probe == GATE)


def plan_units(cases: Iterable[Case], rng: random.Random) -> list[Unit]:
    """The units that run these cases, in the order in which they run.

    First come the untimed cases, one unit for each backend and device. Then comes each memory case
    in its own process, where nothing was allocated or compiled before. The timed cases come last,
    launch by launch; `rng` shuffles backends and cases anew for each launch, so that a drift of
    the machine's speed affects all of them alike.
    """
    isolated: list[Case] = []
    others: list[Case] = []
    launches: dict[int, list[Case]] = {}
    for case in cases:
        if case.probe in TIMED_PROBES:
            launches.setdefault(case.launch or 0, []).append(case)
        else:
            (isolated if case.probe in ISOLATED_PROBES else others).append(case)
    units = _grouped(others, timed=False)
    for case in isolated:
        units += _grouped([case], timed=False)
    for launch in sorted(launches):
        units += _shuffled(launches[launch], rng)
    return units


def longest_first(units: Sequence[Unit], seconds: Mapping[str, float]) -> list[Unit]:
    """The untimed units of the backend and device that takes longest first, so that no long one
    runs alone at the end; then the timed units as they are. `seconds` are those of each case, by
    its key."""
    totals: dict[tuple[str, str], float] = {}
    untimed = [unit for unit in units if not unit.timed]
    for unit in untimed:
        place = unit.backend, unit.device
        totals[place] = totals.get(place, 0.0) + sum(seconds[case.key] for case in unit.cases)
    untimed.sort(key=lambda unit: -totals[unit.backend, unit.device])
    return [*untimed, *(unit for unit in units if unit.timed)]


def _shuffled(cases: list[Case], rng: random.Random) -> list[Unit]:
    """The units of one launch, with units and cases in a random order."""
    rng.shuffle(cases)
    units = _grouped(cases, timed=True)
    rng.shuffle(units)
    return units


def _grouped(cases: Iterable[Case], timed: bool) -> list[Unit]:
    groups: dict[ProcessKey, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.process_key, []).append(case)
    return [Unit(*key, timed, tuple(group)) for key, group in groups.items()]
