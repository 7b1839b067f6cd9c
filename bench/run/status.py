"""Shows what a long command is doing: one line, drawn on a terminal and printed elsewhere."""

import sys
from contextlib import AbstractContextManager

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.records.inert import inert
from bench.records.record import Record
from bench.run.display import failure_line, format_duration
from bench.run.heartbeat import Clock, Heartbeat, SystemClock


class StatusLine(AbstractContextManager["StatusLine"]):
    """The stage of a command, how many cases it has measured, and its time.

    Runners report their cases to it. On a terminal the line is drawn only when the stage changes,
    because drawing takes processor time from the case that is being timed.
    """

    def __init__(self, clock: Clock | None = None, terminal: bool | None = None) -> None:
        """`terminal` says whether standard error is one, by default as the system says."""
        self.clock = clock or SystemClock()
        self.start, self.stage, self.expected, self.left = self.clock.now(), "", "", ""
        self.measured = self.failed = 0
        self.heartbeat = Heartbeat(self.text, self.clock)
        self.live = None
        if sys.stderr.isatty() if terminal is None else terminal:
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> "StatusLine":
        if self.live:
            self.live.start()
        else:
            self.heartbeat.__enter__()
        return self

    def show(self, stage: str, left: str = "") -> None:
        """Show that a stage begins. `left` is the time left, such as `2 min to 6 min`, if it is
        known better than by the expected time."""
        self.left = f", about {left} left" if left else ""
        self.note(stage)
        if not self.live:
            self.heartbeat.say(self.text())

    def note(self, stage: str) -> None:
        """Show a small step: without a terminal with the next line only."""
        self.stage = stage
        if self.live:
            from rich.text import Text

            self.live.update(Text(inert(self.text())), refresh=True)

    def expect(self, text: str) -> None:
        """Show the expected time, such as `2 min to 6 min`, beside the elapsed time."""
        self.print(f"expected time: {text}")
        self.expected = f" of about {text}"

    def text(self) -> str:
        """The line as it is now."""
        elapsed = format_duration(self.clock.now() - self.start)
        counts = f"; {self.measured} cases, {self.failed} failed" if self.measured else ""
        return f"{self.stage}{counts} ({elapsed}{self.left or self.expected})"

    def case_started(self, slot: int, case: Case) -> None:
        """Show nothing: the stage says what runs."""

    def case_finished(self, slot: int, case: Case, record: Record) -> None:
        """Count the case, and print a line if it failed."""
        self.measured += 1
        if record.status == "failed":
            self.failed += 1
            self.print(failure_line(case, record))

    def unit_finished(self, slot: int, unit: Unit) -> None:
        """Show nothing: a comparison's own unit is a pair, which its stage names."""

    def print(self, line: str) -> None:
        """Print a line that stays."""
        if self.live:
            self.live.console.print(inert(line), markup=False, emoji=False, highlight=False)
        else:
            self.heartbeat.say(line)

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
        else:
            self.heartbeat.__exit__()
