"""The conditions of a worker process that decide how fast it computes."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.records import machine
from bench.records.instruction_sets import numpy_instruction_sets
from bench.records.speed_variables import speed_variables
from bench.records.topology import core_count
from bench.run.environment import thread_variables


@dataclass(frozen=True)
class WorkerConditions:
    """What a worker reads when it starts, before a framework is imported.

    `patterns` are the frameworks' patterns of variables, see `bench.records.speed_variables`.
    """

    patterns: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    instruction_sets: Mapping[str, str | None] = field(default_factory=numpy_instruction_sets)
    """Those of NumPy and its BLAS: a framework may bring a BLAS of its own."""

    def describe(self, backend: Any) -> dict[str, Any]:
        """The conditions as the record's environment has them, for a worker of this backend."""
        report = getattr(backend, "instruction_sets", None)
        unknown = dict.fromkeys(getattr(backend, "REQUIRES", ())[:1])  # the framework itself
        return {
            "physical_cores": core_count(machine.cpus()),
            "variables": self._speed_variables(backend),
            "instruction_sets": unknown | {**self.instruction_sets, **(report() if report else {})},
        }

    def _speed_variables(self, backend: Any) -> dict[str, str]:
        """Without the variables that follow from the number of threads, or that keep compiled code
        in a folder."""
        keep_compiled = getattr(backend, "compilation_cache", None)
        omit = thread_variables(backend) | (keep_compiled("") if keep_compiled else {}).keys()
        patterns = (*self.patterns, *getattr(backend, "SPEED_VARIABLES", ()))
        return speed_variables(self.variables, patterns, omit)
