"""Runners of the test's own: their workers are programs that the test chooses."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from conftest import bench_for

from bench.plan.case import Case
from bench.plan.units import Unit
from bench.records.folder import RunFolder
from bench.run.answer import answer_without_numbers
from bench.run.limits import Limits
from bench.run.runner import Runner
from bench.run.worker_command import WorkerCommand

OK_ANSWER = {
    **answer_without_numbers("ok", ""),
    "reason": None,
    "environment": {"python": "3"},
    "metrics": {"parity_error": 1e-7, "parity_tolerance": 1e-5},
}
"""The answer of a worker that measured, and proved, what it was asked."""


class NoProgress:
    """A display that shows nothing."""

    def case_started(self, *_: object) -> None: ...
    def case_finished(self, *_: object) -> None: ...
    def unit_finished(self, *_: object) -> None: ...


def runner(
    root: Path,
    program: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    time_s: float = 30,
    memory_bytes: float = 2**40,
    repeats_request: bool = False,
) -> Runner:
    """A runner of the new run `r` below `root`, whose workers are this program.

    `environment` is added to the present variables; `repeats_request` says whether the program
    begins its lines with the name of the request.
    """
    command = WorkerCommand(program, {**os.environ, **(environment or {})}, None, repeats_request)
    folder = RunFolder.create(root, "r", {})
    limits = Limits(time_s=time_s, memory_bytes=memory_bytes)
    return Runner(folder, lambda unit, processors: command, limits, NoProgress(), {})


def parity_case() -> Case:
    """A case that needs no earlier proof."""
    return bench_for(probe="parity").case


def unit(*cases: Case, timed: bool = False) -> Unit:
    """A unit of the numpy backend."""
    return Unit("numpy", "cpu", 1, timed, cases)
