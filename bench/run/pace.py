"""How much of a run is done, and how long the rest takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.plan.case import Case
from bench.records.record import Record
from bench.run.heartbeat import Clock

PRIOR = 0.1
"""The share of the expected time that has to pass before the measured pace counts as much as the
expected one."""


@dataclass
class Pace:
    """Counts finished cases and tells the time left."""

    expected: Mapping[str, float]
    """The expected seconds of each case, by its key."""
    total_s: float
    """The expected wall-clock time of all cases: less than their sum where workers run side by
    side."""
    clock: Clock
    budget_s: float = 0.0
    """The run goes on with more launches until this much time has passed."""
    finished: int = 0
    extra: int = 0
    """Finished cases beyond the planned ones."""
    failed: int = 0
    expected_done: float = 0.0
    expected_s: float = field(init=False)
    """The sum of the expected seconds."""
    start: float = field(init=False)
    last_finish: float = field(init=False)

    def __post_init__(self) -> None:
        self.expected_s = sum(self.expected.values())
        self.start = self.last_finish = self.clock.now()

    def case_finished(self, case: Case, record: Record) -> None:
        """Count a case."""
        planned = case.key in self.expected
        self.finished += planned
        self.extra += not planned
        self.failed += record.status == "failed"
        self.expected_done += self.expected.get(case.key, 0.0)
        self.last_finish = self.clock.now()

    def seconds_left(self) -> float:
        """The expected time of the remaining cases, at the pace of the finished ones. The fewer
        cases have finished, the more the pace counts that was expected before the run."""
        now, cost = self.clock.now(), self.expected_s
        done = self.total_s * self.expected_done / cost if cost else self.total_s
        prior = PRIOR * self.total_s
        pace = (self.last_finish - self.start + prior) / (done + prior) if done + prior else 1.0
        left = pace * (self.total_s - done) - (now - self.last_finish)
        return max(left, self.start + self.budget_s - now, 0.0)

    def counts(self) -> str:
        """The counts in words: `12 of 48 cases, 1 failed`."""
        words = [f"{self.finished} of {len(self.expected)} cases"]
        words += [f"{self.extra} more for the budget"] if self.extra else []
        return ", ".join([*words, f"{self.failed} failed"])
