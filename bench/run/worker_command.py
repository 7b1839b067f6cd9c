"""How a worker is started."""

import errno
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.plan.units import Unit
from bench.processes.supervisor import PARENT
from bench.processes.variables import check_variables
from bench.run.origin import Guarded


@dataclass(frozen=True)
class WorkerCommand:
    """The program of a worker with its arguments, all environment variables, and the working
    directory, None for that of this process."""

    program: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None
    repeats_request: bool = True
    """Whether the worker begins each of its lines with the name of the request. Workers of older
    code, which a comparison may start, do not."""

    def check(self) -> None:
        """Raise FileNotFoundError where there is no such program, OSError for variables with which
        none can be started."""
        try:
            check_variables(self.environment)
        except ValueError as error:
            raise OSError(str(error)) from None
        name = self.program[0]
        if shutil.which(name, path=self.environment.get("PATH")) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


StartCommand = Callable[[Unit, Sequence[int]], WorkerCommand]
"""Returns the command that starts the worker of a unit on these processors."""


def worker_arguments(
    backend: str, processors: Sequence[int], guarded: Guarded | None = None
) -> list[str]:
    """The arguments of `run_bench.py` that start a worker."""
    options = ["--processors", *map(str, processors), "--parent", PARENT]
    if guarded:
        options += ["--guarded", guarded.to_json()]
    return ["worker", "--backend", backend, *options]
