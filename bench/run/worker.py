"""Answers cases in a worker process: measures, and leaves it to the parent to write the records."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.plan.case import Case
from bench.plan.cases import case_limit
from bench.plan.probes import IMPORT_PROBE, ORIGIN_PROBE
from bench.probes.context import Outcome, ProbeContext, Stopwatch
from bench.probes.turns import Turns
from bench.records import machine
from bench.records.code import CodeDigests
from bench.run.failure import describe_failure
from bench.run.origin import Guarded, digest_files, why_foreign
from bench.run.turns import TAKES_TURNS
from bench.run.worker_conditions import WorkerConditions
from bench.spec import Backend, ModelSpec, Session, Unsupported, folders_of

Load = Callable[[str], Any]
"""Loads a backend or a task by its name."""
FREE_FILES = 16
"""Files that the next case must be able to open."""


@dataclass
class Worker:
    """Answers cases; keeps between them what later cases can use again."""

    load_backend: Load
    load_task: Load
    name: str
    reference: str
    threads: int
    conditions: WorkerConditions = field(default_factory=WorkerConditions)
    guarded: Guarded | None = None
    cache: dict[str, Any] = field(default_factory=dict)
    last_training: tuple[str, Any] = ("", None)
    """The last training run, with the key of its model and seed."""
    paths: dict[str, str] = field(default_factory=dict)
    """The executed path, by model key."""

    @cached_property
    def commit(self) -> dict[str, Any]:
        """The commit of this checkout, read once."""
        return machine.commit(Path(__file__).parent)

    @cached_property
    def code(self) -> CodeDigests:
        """The digests of the code that decides, read once."""
        return CodeDigests(lambda name: self.backend, self.load_task, Path(__file__).parents[2])

    @cached_property
    def backend(self) -> Backend:
        """The backend, loaded with the first case."""
        backend: Backend = self.load_backend(self.name)
        return backend

    def answer(self, case: Case, turns: Turns | None = None) -> dict[str, Any]:
        """Measure a case; return the fields of its record that the worker knows."""
        start, started = time.perf_counter(), time.time()
        watch, outcome, environment = Stopwatch(), Outcome({}), {}
        opened: dict[ModelSpec, Session] = {}
        raised_at: str | None = None
        try:
            outcome = self._outcome(case, turns, watch, opened)
            environment = self._environment(case, opened)
            require_free_files()
            status, reason = ("failed", outcome.failure) if outcome.failure else ("ok", None)
        except BaseException as error:  # noqa: BLE001 - whatever happens fails this case only
            status, reason, raised_at = describe_failure(error, self._folders(case))
            with suppress(Exception):  # a broken backend may fail here again
                environment = self._environment(case, opened)
        return {
            "status": status,
            "reason": reason,
            "metrics": {**outcome.metrics, "work_s": watch.seconds},
            "samples": outcome.samples,
            "environment": environment,
            "traceback": raised_at,
            "started": started,
            "wall_s": time.perf_counter() - start,
        }

    def _outcome(
        self,
        case: Case,
        turns: Turns | None,
        watch: Stopwatch,
        opened: dict[ModelSpec, Session],
    ) -> Outcome:
        if case.probe == "control":
            from bench.probes.control import control

            return control(turns)
        if case.probe == ORIGIN_PROBE:
            if self.guarded is None:
                return Outcome({})
            digests = dict.fromkeys(digest_files(self.guarded), 1.0)
            return Outcome(digests, failure=why_foreign(self.guarded))
        context = self._context(case, turns, watch, opened)
        if case.probe == IMPORT_PROBE:
            context.import_framework()
            return Outcome({TAKES_TURNS: 1.0})
        return self._probe(context)

    def _context(
        self,
        case: Case,
        turns: Turns | None,
        watch: Stopwatch,
        opened: dict[ModelSpec, Session],
    ) -> ProbeContext:
        if reason := case_limit(self.backend, case):
            raise Unsupported(f"{self.name}: {reason}")
        task = case.sized(type(next(iter(self.load_task(case.task.name).PROFILES.values()))))
        reference = self.load_backend(self.reference)
        return ProbeContext(case, task, self.backend, reference, watch, self.cache, opened, turns)

    def _probe(self, context: ProbeContext) -> Outcome:
        from bench.gate.parity import parity
        from bench.probes.gradients import gradients
        from bench.probes.learning import learning
        from bench.probes.lengths import lengths
        from bench.probes.memory import memory
        from bench.probes.speed import speed

        after_training = {"learning": learning, "gradients": gradients, "lengths": lengths}
        if probe := after_training.get(context.case.probe):
            return probe(context, self._training(context))
        return {"parity": parity, "memory": memory, "speed": speed}[context.case.probe](context)

    def _training(self, context: ProbeContext) -> Any:
        """The training run of the case; consecutive cases of one model and seed share it."""
        from bench.probes.training import train

        key = f"{context.case.model_key} seed {context.case.seed}"
        if self.last_training[0] != key:
            self.last_training = (key, train(context))
        return self.last_training[1]

    def _folders(self, case: Case) -> list[Path]:
        """The folders of the adapter and of the task, as far as they import."""
        with suppress(Exception):
            return folders_of(self.backend, self.load_task(case.task.name))
        return []

    def _environment(self, case: Case, opened: Mapping[ModelSpec, Session]) -> dict[str, Any]:
        """The machine, versions, switches and executed path, for the model of this case."""
        key, settings = case.model_key, getattr(self.backend, "settings", None)
        expected = getattr(self.backend, "expected_path", None)
        if key not in self.paths and case.model in opened:
            self.paths[key] = opened[case.model].executed_path()
        return {
            "machine": machine.describe_machine(),
            "python": sys.version.split()[0],
            **self.commit,
            "code": self.code.of(self.name, case.task.name),
            "threads": self.threads,
            **self.conditions.describe(self.backend),
            "versions": machine.versions(("numpy", *getattr(self.backend, "REQUIRES", ()))),
            "device": case.device,
            "settings": settings(case.device) if settings else {},
            "executed_path": self.paths.get(key),
            "expected_path": expected(case.model, case.device) if expected else None,
        }


def require_free_files() -> None:
    """Raise OSError where this process cannot open a few more files: the case that has used them up
    fails, and not the next one."""
    with ExitStack() as files:
        for _ in range(FREE_FILES):
            files.enter_context(open(os.devnull))
