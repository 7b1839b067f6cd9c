"""One process, one backend, one device: reads cases as JSON lines, answers with results.

The parent owns the records; the worker only measures. Its standard output is taken away from
the frameworks, which print to it, and belongs to the protocol alone.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from bench.plan.cases import IMPORT_PROBE, Case, case_limit
from bench.probes.bench import Outcome, ProbeContext, Stopwatch
from bench.records import machine
from bench.spec import ModelSpec, Session, Task, Unsupported

Load = Callable[[str], Any]


def environment_variables(threads: int) -> dict[str, str]:
    """What a worker must find in its environment before any framework is imported."""
    count = str(threads)
    names = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
    pinned = {n + ("_THREADS" if n.startswith("TF") else "_NUM_THREADS"): count for n in names}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONUNBUFFERED": "1"}
    device = {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    return {**pinned, **quiet, **device}


def serve(
    load_backend: Load, load_task: Load, backend: str, processors: Sequence[int], parent: int
) -> None:
    """Answer cases until the parent closes the pipe."""
    channel = take_over_output()
    die_with(parent)
    if processors and hasattr(os, "sched_setaffinity"):
        for thread in os.listdir("/proc/self/task"):  # NumPy's pool of threads is there already
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), set(processors))
    worker = Worker(load_backend, load_task, backend, len(processors))
    for line in sys.stdin:
        case = Case(json.loads(line))
        channel.write(json.dumps(worker.answer(case), default=_plain) + "\n")
        channel.flush()


@dataclass
class Worker:
    """What lives as long as the process: the last training run, and what parity has shown."""

    load_backend: Load
    load_task: Load
    name: str
    threads: int
    cache: dict[str, Any] = field(default_factory=dict)
    trained: tuple[str, Any] = ("", None)
    paths: dict[str, str] = field(default_factory=dict)

    @cached_property
    def commit(self) -> dict[str, Any]:
        return machine.commit(Path(__file__).parent)

    @cached_property
    def backend(self) -> Any:
        return self.load_backend(self.name)

    def answer(self, case: Case) -> dict[str, Any]:
        """The parts of a record that the worker knows."""
        began, started = time.perf_counter(), time.time()
        watch, outcome, environment = Stopwatch(), Outcome({}), {}
        opened: dict[ModelSpec, Session] = {}
        try:
            outcome = self._outcome(case, watch, opened)
            environment = self._environment(case, opened)
            status, reason = ("failed", outcome.failure) if outcome.failure else ("ok", None)
        except Exception as error:  # noqa: BLE001 - a case may fail in any way, and alone
            status, reason = _verdict(error)
            with suppress(Exception):  # what failed may not know its versions either
                environment = self._environment(case, opened)
        wall = time.perf_counter() - began
        return {
            "status": status,
            "reason": reason,
            "metrics": {**outcome.metrics, "work_s": watch.seconds},
            "samples": outcome.samples,
            "environment": environment,
            "started": started,
            "wall_s": wall,
        }

    def _outcome(self, case: Case, watch: Stopwatch, opened: dict[ModelSpec, Session]) -> Outcome:
        if case.probe == "control":
            from bench.probes.control import control

            return control()
        bench = self._bench(case, watch, opened)
        if case.probe == IMPORT_PROBE:
            bench.import_framework()
            return Outcome({})
        return self._probe(bench)

    def _bench(
        self, case: Case, watch: Stopwatch, opened: dict[ModelSpec, Session]
    ) -> ProbeContext:
        if reason := case_limit(self.backend, case):
            raise Unsupported(f"{self.name}: {reason}")
        task = case.with_task(_any_size(self.load_task(case.task)))
        reference = self.load_backend("numpy")
        return ProbeContext(case, task, self.backend, reference, watch, self.cache, opened)

    def _probe(self, bench: ProbeContext) -> Outcome:
        from bench.gate.parity import parity
        from bench.probes.gradients import gradients
        from bench.probes.learning import learning
        from bench.probes.lengths import lengths
        from bench.probes.memory import memory
        from bench.probes.speed import speed

        trained = {"learning": learning, "gradients": gradients, "lengths": lengths}
        if probe := trained.get(bench.case.probe):
            return probe(bench, self._training(bench))
        return {"parity": parity, "memory": memory, "speed": speed}[bench.case.probe](bench)

    def _training(self, bench: ProbeContext) -> Any:
        """Learning, gradients and lengths look at one and the same training run, where they follow
        each other; it is run again where they do not."""
        from bench.probes.training import train

        key = f"{bench.case.model_key} seed {bench.case.seed}"
        if self.trained[0] != key:
            self.trained = (key, train(bench))
        return self.trained[1]

    def _environment(self, case: Case, opened: Mapping[ModelSpec, Session]) -> dict[str, Any]:
        """Library versions, switches and the path that ran, for this case's model."""
        key, settings = case.model_key, getattr(self.backend, "settings", None)
        expected = getattr(self.backend, "expected_path", None)
        if key not in self.paths and case.model in opened:
            self.paths[key] = opened[case.model].executed_path()
        return {
            "machine": machine.describe_machine(),
            "python": sys.version.split()[0],
            **self.commit,
            "threads": self.threads,
            "versions": machine.versions(("numpy", *getattr(self.backend, "REQUIRES", ()))),
            "device": case.device,
            "settings": settings(case.device) if settings else {},
            "executed_path": self.paths.get(key),
            "expected_path": expected(case.model, case.device) if expected else None,
        }


def _any_size(module: Any) -> Task:
    task: Task = next(iter(module.PROFILES.values()))
    return task


def _verdict(error: Exception) -> tuple[str, str]:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, Unsupported):
        return "skipped", str(error)
    signs = ("out of memory", "not enough memory", "resource_exhausted", "resourceexhausted")
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in signs):
        return "failed", f"out of memory: {text[:400]}"
    return "failed", text[:600]


def take_over_output() -> IO[str]:
    """The pipe to the parent; from here on, what anything prints goes to standard error."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


def _plain(value: Any) -> Any:
    """What JSON does not know: a framework's scalars as numbers, the rest by its name."""
    return value.item() if hasattr(value, "item") else str(value)


def die_with(parent: int) -> None:
    """On Linux, a parent that is killed takes its workers along; and should memory run out,
    the kernel is asked to take the worker rather than anything else."""
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
