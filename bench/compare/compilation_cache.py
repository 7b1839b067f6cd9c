"""A folder in which the workers of one side share what they compile."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.plan.units import Unit
from bench.run.process import WorkerCommand
from bench.run.runner import StartCommand


def with_compilation_cache(command: StartCommand, folder: Path) -> StartCommand:
    """The command with environment variables that keep compiled code in this folder. A variable of
    the user's own comes first."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return command
    # Every launch is a fresh process, and XLA would compile the same model in each of them.
    variables = {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def start(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        worker = command(unit, processors)
        return replace(worker, environment={**worker.environment, **variables})

    return start
