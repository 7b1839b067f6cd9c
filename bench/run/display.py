"""Shows on the terminal what a run is doing, and how much time is left."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bench.plan.case import Case
from bench.records.record import Record


class SilentProgress(AbstractContextManager["SilentProgress"]):
    """Prints one line for each failure and nothing else: for output that is not a terminal."""

    def case_started(self, slot: int, case: Case) -> None:
        """Print nothing."""

    def case_finished(self, slot: int, case: Case, record: Record) -> None:
        """Print a line if the case failed."""
        if record.status == "failed":
            print(_failure(case, record), file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        """Release nothing: nothing was acquired."""


class LiveProgress(AbstractContextManager["LiveProgress"]):
    """Draws a progress bar, the time left, and one line for the current case of each worker.

    It draws once a second and when a case starts or finishes, no more often: drawing takes
    processor time from the case that is being timed.
    """

    def __init__(self, cases: Sequence[Case], seconds: Sequence[float]) -> None:
        """`seconds` is the expected time of each case."""
        from rich.console import Console
        from rich.live import Live

        self.expected = {case.key: s for case, s in zip(cases, seconds, strict=True)}
        self.expected_total = sum(seconds)
        self.expected_done = 0.0
        self.finished_cases = 0
        self.start = self.last_finish = time.monotonic()
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
        self.current[slot] = f"  {case}"
        self.live.refresh()

    def case_finished(self, slot: int, case: Case, record: Record) -> None:
        """Count the case as done, and print a line above the bar if it failed."""
        self.current.pop(slot, None)
        self.expected_done += self.expected.get(case.key, 0.0)
        self.finished_cases += 1
        self.last_finish = time.monotonic()
        if record.status == "failed":
            # The reason may hold square brackets, which rich would read as markup.
            self.live.console.print(_failure(case, record), markup=False, highlight=False)
        self.live.refresh()

    def time_left(self) -> str:
        """The expected time of the remaining cases, at the pace of the finished ones; empty before
        the first case has finished."""
        if not self.expected_done:
            return ""
        pace = (self.last_finish - self.start) / self.expected_done
        since = time.monotonic() - self.last_finish
        seconds = max(pace * (self.expected_total - self.expected_done) - since, 0.0)
        return f"{format_duration(seconds)} left"

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        count = len(self.expected)
        bar = ProgressBar(total=max(count, 1), completed=self.finished_cases, width=30)
        head = Table.grid(padding=(0, 1))
        head.add_row(f"{self.finished_cases} of {count} cases", bar, self.time_left())
        lines = [line for _, line in sorted(self.current.items())]
        return Group(head, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def __exit__(self, *_: object) -> None:
        self.live.stop()


def _failure(case: Case, record: Record) -> str:
    return f"failed: {case}: {record.reason}"


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows its text as a status line, with the time since the start.

    The line is drawn only when its text changes. Where standard error is not a terminal, the
    function shows nothing.
    """
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        start = time.monotonic()

        def show(text: str) -> None:
            elapsed = format_duration(time.monotonic() - start)
            live.update(Text(f"{text} ({elapsed} so far)"), refresh=True)

        yield show


def format_duration(seconds: float) -> str:
    """A duration such as `48 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
