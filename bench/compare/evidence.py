"""Everything that both sides recorded, matched row by row: what the judge decides on."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from bench.compare.both_sides import BothSides
from bench.compare.launch_times import LaunchTimes
from bench.compare.matching import Absence
from bench.compare.outcomes import (
    AnyOutcome,
    GradientOutcome,
    LaunchOutcome,
    LearningOutcome,
    ParityOutcome,
)

BySeed = Mapping[int, AnyOutcome]

LaunchKey = tuple[int, int]
"""The number of a launch, and its number of threads."""

ControlKey = tuple[Any, ...]
"""Identifies the launch or process beside which the control was timed, see `build_evidence`."""


@dataclass(frozen=True, kw_only=True)
class SpeedEvidence:
    """The launches of one row: those that both sides recorded, by number."""

    launches: Mapping[LaunchKey, BothSides[LaunchOutcome]]
    phases: BothSides[Set[str]]
    """The phases that each side timed."""
    settings: Mapping[str, BothSides[Sequence[Any]]]
    """The different values of `threads` and `phase_s` on each side."""

    def times(self, phase: str) -> dict[LaunchKey, BothSides[LaunchTimes]]:
        """The times of one phase, for the launches in which both sides timed it."""
        return {
            launch: outcomes.map(lambda outcome: outcome.times[phase])
            for launch, outcomes in self.launches.items()
            if all(phase in outcome.times for outcome in outcomes)
        }


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What must have been measured in every row of a live comparison. A stored run has what it
    has, and so has a backend that stands in for all."""

    probes: Set[str] = frozenset()
    phases: Set[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class MatchedRow:
    """One model in one backend, as both sides have it."""

    label: str
    backend: str
    dtype: str
    model_keys: BothSides[str]
    """The model of each side, see `bench.plan.case.model_key`."""
    changed_settings: Mapping[str, BothSides[Any]]
    """The settings that both sides name and in which they differ."""
    changed_conditions: str
    """The conditions in which the sides differ, see `bench.compare.conditions`; empty if none."""
    parity: BothSides[BySeed[ParityOutcome]]
    """Without skipped cases."""
    learning: BothSides[BySeed[LearningOutcome]]
    gradients: BothSides[BySeed[GradientOutcome]]
    speed: SpeedEvidence
    foreign_files: BothSides[str]
    """Which code each side's workers loaded that is not that side's own; empty where none."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All evidence of one comparison, built once a round.

    `live` says that launches were measured in pairs, close in time. Launches of stored runs were
    not, and no later round confirms what they show.
    """

    live: bool
    rows: Sequence[MatchedRow]
    absences: Sequence[Absence]
    other_machine: str
    """Why the machines of two stored runs cannot be compared; empty where they can."""
    asked: Asked
    control: Mapping[ControlKey, BothSides[LaunchTimes]]
    """The times of the control, where both sides timed it."""
