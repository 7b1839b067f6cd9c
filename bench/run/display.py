"""Shows what a run is doing, and how much time is left."""

import sys
from contextlib import AbstractContextManager
from typing import Any

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.records.inert import inert
from bench.records.record import Record
from bench.run.heartbeat import Clock, Heartbeat
from bench.run.pace import Pace


class SilentProgress(AbstractContextManager["SilentProgress"]):
    """Prints one line for each failure and nothing else."""

    def case_started(self, slot: int, case: Case) -> None:
        """Print nothing."""

    def case_finished(self, slot: int, case: Case, record: Record) -> None:
        """Print a line if the case failed."""
        if record.status == "failed":
            print(failure_line(case, record), file=sys.stderr, flush=True)

    def unit_finished(self, slot: int, unit: Unit) -> None:
        """Print nothing."""

    def __exit__(self, *_: object) -> None:
        """Release nothing: nothing was acquired."""


class PlainProgress(AbstractContextManager["PlainProgress"]):
    """For output that is not a terminal: prints a line for each failure, a line when a unit ends,
    and a line after each silence."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self.pace = pace
        self.current: dict[int, str] = {}
        """The current case, by the slot of its worker."""
        self.heartbeat = Heartbeat(self._state, clock)

    def __enter__(self) -> "PlainProgress":
        self.heartbeat.__enter__()
        return self

    def case_started(self, slot: int, case: Case) -> None:
        """Remember the case for the next line."""
        self.current[slot] = str(case)

    def case_finished(self, slot: int, case: Case, record: Record) -> None:
        """Count the case as done, and print a line if it failed."""
        self.current.pop(slot, None)
        self.pace.case_finished(case, record)
        if record.status == "failed":
            self.heartbeat.say(failure_line(case, record))

    def unit_finished(self, slot: int, unit: Unit) -> None:
        """Print what was measured, and how much is left."""
        self.heartbeat.say(f"{self._counts()}; done: {_unit_words(unit)}")

    def _state(self) -> str:
        current = [text for _, text in sorted(self.current.items())]
        return "; now: ".join([self._counts(), *([", ".join(current)] if current else [])])

    def _counts(self) -> str:
        return f"{self.pace.counts()}, about {format_duration(self.pace.seconds_left())} left"

    def __exit__(self, *_: object) -> None:
        self.heartbeat.__exit__()


class LiveProgress(AbstractContextManager["LiveProgress"]):
    """Draws a progress bar, the time left, and one line for the current case of each worker.

    It draws once a second and when a case starts or finishes, no more often: drawing takes
    processor time from the case that is being timed.
    """

    def __init__(self, pace: Pace) -> None:
        from rich.console import Console
        from rich.live import Live

        self.pace = pace
        self.current: dict[int, str] = {}
        """The line of the current case, by the slot of its worker."""
        self.live = Live(
            console=Console(stderr=True),
            get_renderable=self._picture,
            refresh_per_second=1,
            transient=True,
        )

    def __enter__(self) -> "LiveProgress":
        self.live.start()
        return self

    def case_started(self, slot: int, case: Case) -> None:
        """Show the case in the line of its slot."""
        self.current[slot] = f"  {inert(case)}"
        self.live.refresh()

    def case_finished(self, slot: int, case: Case, record: Record) -> None:
        """Count the case as done, and print a line above the bar if it failed."""
        self.current.pop(slot, None)
        self.pace.case_finished(case, record)
        if record.status == "failed":
            # The reason may hold square brackets, which rich would read as markup.
            self.live.console.print(
                failure_line(case, record), markup=False, emoji=False, highlight=False
            )
        self.live.refresh()

    def unit_finished(self, slot: int, unit: Unit) -> None:
        """Show nothing more: the bar has moved already."""

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        total = max(len(self.pace.expected), 1)
        bar = ProgressBar(total=total, completed=self.pace.finished, width=30)
        head = Table.grid(padding=(0, 1))
        left = f"about {format_duration(self.pace.seconds_left())} left"
        head.add_row(self.pace.counts(), bar, left)
        lines = [line for _, line in sorted(self.current.items())]
        return Group(head, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def __exit__(self, *_: object) -> None:
        self.live.stop()


def run_display(pace: Pace, clock: Clock) -> LiveProgress | PlainProgress:
    """The display of a run: drawn where standard error is a terminal, lines elsewhere."""
    return LiveProgress(pace) if sys.stderr.isatty() else PlainProgress(pace, clock)


def _unit_words(unit: Unit) -> str:
    """What a unit measured: `torch on cpu, 9 cases of parity, learning`, or its only case."""
    if len(unit.cases) == 1:
        return str(unit.cases[0])
    launch = f", launch {unit.cases[0].launch}" if unit.timed else ""
    probes = ", ".join(dict.fromkeys(case.probe for case in unit.cases))
    return f"{unit.backend} on {unit.device}{launch}, {len(unit.cases)} cases of {probes}"


def failure_line(case: Case, record: Record) -> str:
    """The line about a failed case."""
    return inert(f"failed: {case}: {record.reason}")


def format_duration(seconds: float) -> str:
    """A duration such as `48 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
