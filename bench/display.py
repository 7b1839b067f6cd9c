"""What a person sees while a run goes on: the current cases and the time left."""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from bench.plan import Case
from bench.records import Record


class Quiet(AbstractContextManager["Quiet"]):
    """Where standard error is no terminal: nothing but failures, a line each."""

    def began(self, slot: int, case: Case) -> None:
        """Nothing is said."""

    def ended(self, slot: int, case: Case, record: Record) -> None:
        if record.status == "failed":
            print(f"failed: {case}: {record.reason}", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


class Live(AbstractContextManager["Live"]):
    """A bar over all cases, the time left, and a line for each worker's case."""

    def __init__(self, cases: Sequence[Case], seconds: Sequence[float]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.weights = {case.key: s for case, s in zip(cases, seconds, strict=True)}
        self.total, self.done, self.start = sum(seconds), 0.0, time.monotonic()
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[left]}")
        self.bars = Progress(
            *(TextColumn(c) if isinstance(c, str) else c for c in columns),
            console=Console(stderr=True),
            transient=True,
        )
        self.bar = self.bars.add_task("cases", total=len(cases), left="")
        self.lines: dict[int, Any] = {}

    def __enter__(self) -> "Live":
        self.bars.start()
        return self

    def began(self, slot: int, case: Case) -> None:
        if slot not in self.lines:
            self.lines[slot] = self.bars.add_task("", total=None, left="")
        self.bars.update(self.lines[slot], description=f"  {case}")

    def ended(self, slot: int, case: Case, record: Record) -> None:
        self.done += self.weights.get(case.key, 0.0)
        self.bars.update(self.bar, advance=1, left=self._left())
        if record.status == "failed":
            self.bars.console.print(f"failed: {case}: {record.reason}", markup=False)

    def _left(self) -> str:
        """The expected seconds of what remains, at the pace of what is done."""
        if not self.done:
            return ""
        pace = (time.monotonic() - self.start) / self.done
        return duration(pace * max(self.total - self.done, 0.0)) + " left"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()


def duration(seconds: float) -> str:
    """`48 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
