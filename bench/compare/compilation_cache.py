"""A folder in which the workers of one side share what they compile."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.run.process import WorkerCommand
from bench.run.runner import StartCommand


def with_compilation_cache(command: StartCommand, backends: Registry, folder: Path) -> StartCommand:
    """The command with the variables by which an adapter keeps compiled code in this folder, as
    its `compilation_cache(folder)` declares them. A variable of the user's own comes first."""

    def start(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        worker = command(unit, processors)
        declare = getattr(backends.load(unit.backend), "compilation_cache", None)
        variables = declare(str(folder)) if declare else {}
        if variables.keys() & os.environ.keys():
            return worker
        return replace(worker, environment={**worker.environment, **variables})

    return start
