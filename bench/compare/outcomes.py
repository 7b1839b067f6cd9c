"""How a case ended on one side, reduced to the numbers that the checks compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bench.analysis.timing import TABLE_PHASES
from bench.compare.launch_times import LaunchTimes
from bench.plan.probes import ADVANCE
from bench.records.record import Record

COMPARED_PHASES = (*TABLE_PHASES, ADVANCE)


class CaseOutcome(Protocol):
    """Whether a case succeeded, and why not."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str | None: ...


SEVERITY = ("failed", "ok", "skipped")
"""The status of a launch of several cases is the first of these that one of them has."""

AnyOutcome = TypeVar("AnyOutcome", bound=CaseOutcome)


@dataclass(frozen=True, kw_only=True)
class ParityOutcome:
    """The parity gate of one seed. Its metrics hold the first loss, the first gradient norm and the
    error of each array; None for a number that is not finite. A metric is absent where the backend
    cannot compute it, or where the record is older than the metric."""

    status: str
    reason: str | None
    metrics: Mapping[str, float | None]

    @classmethod
    def from_record(cls, record: Record) -> "ParityOutcome":
        """The outcome that a record of this probe describes."""
        return cls(status=record.status, reason=record.reason, metrics=record.metrics)


@dataclass(frozen=True, kw_only=True)
class LearningOutcome:
    """The training of one seed: the loss of every update, and the score on held-out data."""

    status: str
    reason: str | None
    losses: Sequence[float]
    score: float | None
    chance: float | None
    """The score of a model that learned nothing."""
    solved: bool
    steps_to_solve: float | None
    diverged: bool

    @classmethod
    def from_record(cls, record: Record) -> "LearningOutcome":
        """The outcome that a record of this probe describes."""
        metrics = record.metrics
        return cls(
            status=record.status,
            reason=record.reason,
            losses=record.samples.get("loss", ()),
            score=metrics.get("score"),
            chance=metrics.get("chance"),
            solved=bool(metrics.get("solved")),
            steps_to_solve=metrics.get("steps_to_solve"),
            diverged=metrics.get("diverged_at") is not None,
        )


@dataclass(frozen=True, kw_only=True)
class GradientOutcome:
    """The gradients of one seed's training: the norm at every checkpoint, and how many values were
    NaN and Inf."""

    status: str
    reason: str | None
    norms: Sequence[float]
    nan: float
    inf: float

    @classmethod
    def from_record(cls, record: Record) -> "GradientOutcome":
        """The outcome that a record of this probe describes."""
        return cls(
            status=record.status,
            reason=record.reason,
            norms=record.samples.get("gradient_norm", ()),
            nan=record.metrics.get("gradient_nan") or 0,
            inf=record.metrics.get("gradient_inf") or 0,
        )


@dataclass(frozen=True, kw_only=True)
class LaunchOutcome:
    """One launch of the speed probe, by phase."""

    status: str
    reason: str | None
    times: Mapping[str, LaunchTimes]

    @classmethod
    def from_record(cls, record: Record) -> "LaunchOutcome":
        """The outcome that a record of this probe describes."""
        return cls(status=record.status, reason=record.reason, times=times_by_phase(record))

    def joined(self, other: "LaunchOutcome") -> "LaunchOutcome":
        """This outcome with that of another case of the same launch; the first failure counts, and
        a skipped case counts only where all are skipped."""
        worst = min((self, other), key=lambda outcome: SEVERITY.index(outcome.status))
        times = {**self.times, **other.times}
        return LaunchOutcome(status=worst.status, reason=worst.reason, times=times)


def times_by_phase(record: Record) -> dict[str, LaunchTimes]:
    """The times of a launch in each phase that has samples."""
    return {
        phase: LaunchTimes.from_record(record, phase)
        for phase in COMPARED_PHASES
        if record.samples.get(phase)
    }
