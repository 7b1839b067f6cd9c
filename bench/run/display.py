"""What a person sees while a run goes on: the current cases and the time left."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bench.plan.case import Case
from bench.records.record import Record


class SilentProgress(AbstractContextManager["SilentProgress"]):
    """Where standard error is no terminal: nothing but failures, a line each."""

    def began(self, slot: int, case: Case) -> None:
        """Nothing is said."""

    def ended(self, slot: int, case: Case, record: Record) -> None:
        if record.status == "failed":
            print(f"failed: {case}: {record.reason}", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


class LiveProgress(AbstractContextManager["LiveProgress"]):
    """A bar over all cases, the time left, and a line for each worker's case. Drawn once a second
    and when something happens: what is drawn while a clock runs takes from what is measured."""

    def __init__(self, cases: Sequence[Case], seconds: Sequence[float]) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self.costs = {case.key: s for case, s in zip(cases, seconds, strict=True)}
        self.total, self.done, self.ended_cases = sum(seconds), 0.0, 0
        self.start = self.last = time.monotonic()
        self.lines: dict[int, str] = {}
        self.screen = Screen(
            console=Console(stderr=True),
            get_renderable=self._picture,
            refresh_per_second=1,
            transient=True,
        )

    def __enter__(self) -> "LiveProgress":
        self.screen.start()
        return self

    def began(self, slot: int, case: Case) -> None:
        self.lines[slot] = f"  {case}"
        self.screen.refresh()

    def ended(self, slot: int, case: Case, record: Record) -> None:
        self.lines.pop(slot, None)
        self.done += self.costs.get(case.key, 0.0)
        self.ended_cases, self.last = self.ended_cases + 1, time.monotonic()
        if record.status == "failed":
            line = f"failed: {case}: {record.reason}"
            self.screen.console.print(line, markup=False, highlight=False)
        self.screen.refresh()

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head, count = Table.grid(padding=(0, 1)), len(self.costs)
        bar = ProgressBar(total=max(count, 1), completed=self.ended_cases, width=30)
        head.add_row(f"{self.ended_cases} of {count} cases", bar, self.left())
        lines = [line for _, line in sorted(self.lines.items())]
        return Group(head, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def left(self) -> str:
        """The expected seconds of what remains, at the pace of what is done."""
        if not self.done:
            return ""
        pace = (self.last - self.start) / self.done
        since = time.monotonic() - self.last
        return format_duration(max(pace * (self.total - self.done) - since, 0.0)) + " left"

    def __exit__(self, *_: object) -> None:
        self.screen.stop()


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """What says in one line what goes on now, where standard error is a terminal; it is drawn when
    it changes and at no other time."""
    if not sys.stderr.isatty():
        yield lambda line: None
        return
    from rich.console import Console
    from rich.live import Live as Screen
    from rich.text import Text

    with Screen(console=Console(stderr=True), auto_refresh=False, transient=True) as screen:
        began = time.monotonic()

        def say(line: str) -> None:
            since = format_duration(time.monotonic() - began)
            screen.update(Text(f"{line} ({since} so far)"), refresh=True)

        yield say


def format_duration(seconds: float) -> str:
    """`48 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
