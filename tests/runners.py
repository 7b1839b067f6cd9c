"""Runners of the test's own: their workers are programs that the test chooses."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from conftest import bench_for

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.records.folder import RunFolder
from bench.run.process import Limits, WorkerCommand
from bench.run.runner import Runner


class NoProgress:
    """A display that shows nothing."""

    def case_started(self, *_: object) -> None: ...
    def case_finished(self, *_: object) -> None: ...
    def unit_finished(self, *_: object) -> None: ...


def runner(
    root: Path,
    program: Sequence[str],
    environment: Mapping[str, str] | None = None,
    time_s: float = 30,
) -> Runner:
    """A runner of the new run `r` below `root`, whose workers are this program.

    `environment` is added to the present variables; `time_s` is the time limit of a case.
    """
    command = WorkerCommand(program, {**os.environ, **(environment or {})})
    folder = RunFolder.create(root, "r", {})
    limits = Limits(time_s=time_s, memory_bytes=2**40)
    return Runner(folder, lambda unit, processors: command, limits, NoProgress(), {})


def parity_case() -> Case:
    """A case that needs no earlier proof."""
    return bench_for(probe="parity").case


def unit(*cases: Case, timed: bool = False) -> Unit:
    """A unit of the numpy backend."""
    return Unit("numpy", "cpu", 1, timed, cases)
